//! Takes the debugging sections out of the object: the BTF, made from them, is all that loaders read.

use anyhow::{Context, Result};
use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

/// The object without its DWARF: a fifth of the size, and nothing in it that a kernel or a loader misses.
pub fn without_dwarf(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(bytes).context("the linker did not write an ELF object")?;
    let mut dwarf = Vec::new();
    for section in &mut builder.sections {
        if section.name.starts_with(b".debug_") {
            section.delete = true;
            dwarf.push(section.id());
        }
    }
    for section in &mut builder.sections {
        let belongs = section.sh_info_section.is_some_and(|target| dwarf.contains(&target));
        if belongs && matches!(section.data, SectionData::Relocation(_)) {
            section.delete = true;
        }
    }
    builder.delete_orphans();
    // LLVM keeps the names of sections and symbols in one table; the writer wants two.
    let names = builder.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped).context("the object cannot be written without its debugging sections")?;
    Ok(stripped)
}
