//! An ELF file, as far as functions are concerned: where they are, and their machine code.

use object::{
    Endianness,
    elf::{self, FileHeader64, STT_FUNC, STT_GNU_IFUNC, Sym64},
    read::{
        ReadCache, ReadRef as _,
        elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, Sym as _},
    },
};
use std::{collections::HashMap, fs::File, io, path::Path, str};

/// Machine code of one function that is looked at.
const CODE: u64 = 128;

/// Why a file cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("is not understood: {0}")]
    Malformed(#[from] object::Error),
    #[error("is not for this machine")]
    Foreign,
}

type Header = FileHeader64<Endianness>;

/// Which symbol tables are looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// That of the dynamic linker; the other one when it has nothing.
    First,
    All,
}

/// Says what a symbol is called here, when it is wanted.
pub type Pick<'a> = &'a dyn Fn(&str) -> Option<String>;

/// An opened file.
pub struct Image {
    data: ReadCache<File>,
    segments: Vec<Segment>,
    /// Functions that were asked for.
    functions: Vec<(String, u64)>,
    /// Functions behind the slots that the dynamic linker fills, by the slot's address; only those of this file.
    slots: HashMap<u64, u64>,
}

/// A part of the file that is mapped and run.
#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

impl Image {
    /// Opens a file and looks for functions.
    pub fn open(path: &Path, tables: Tables, pick: Pick<'_>) -> Result<Self, ImageError> {
        let data = ReadCache::new(File::open(path)?);
        let header = Header::parse(&data)?;
        let endian = header.endian()?;
        if header.e_machine(endian) != elf::EM_X86_64 {
            return Err(ImageError::Foreign);
        }
        let segments = header
            .program_headers(endian, &data)?
            .iter()
            .filter(|part| part.p_type(endian) == elf::PT_LOAD && part.p_flags(endian) & elf::PF_X != 0)
            .map(|part| Segment {
                address: part.p_vaddr(endian),
                offset: part.p_offset(endian),
                size: part.p_filesz(endian),
            })
            .collect();
        let (mut functions, mut slots) = symbols(header, endian, &data, elf::SHT_DYNSYM, pick)?;
        if functions.is_empty() {
            (functions, slots) = symbols(header, endian, &data, elf::SHT_SYMTAB, pick)?;
        } else if tables == Tables::All {
            for more in symbols(header, endian, &data, elf::SHT_SYMTAB, pick)?.0 {
                if !functions.contains(&more) {
                    functions.push(more);
                }
            }
        }
        Ok(Self { data, segments, functions, slots })
    }

    /// The first function that was picked under this name.
    pub fn function(&self, name: &str) -> Option<u64> {
        self.functions(name).next()
    }

    /// All of them.
    pub fn functions(&self, name: &str) -> impl Iterator<Item = u64> {
        self.functions.iter().filter(move |(picked, _)| picked == name).map(|(_, address)| *address)
    }

    /// The function of this file that a slot points at.
    pub fn in_slot(&self, slot: u64) -> Option<u64> {
        self.slots.get(&slot).copied()
    }

    /// Where in the file an address is.
    pub fn offset(&self, address: u64) -> Option<u64> {
        let segment = self.segment(address)?;
        segment.offset.checked_add(address - segment.address)
    }

    /// The machine code at an address, as much as is looked at.
    pub fn code(&self, address: u64) -> Option<&[u8]> {
        let segment = self.segment(address)?;
        let inside = address - segment.address;
        let offset = segment.offset.checked_add(inside)?;
        (&self.data).read_bytes_at(offset, CODE.min(segment.size - inside)).ok()
    }

    fn segment(&self, address: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| address.checked_sub(segment.address).is_some_and(|at| at < segment.size))
    }
}

type Found = (Vec<(String, u64)>, HashMap<u64, u64>);

/// The functions that are picked in one symbol table, and the slots that belong to defined functions of it.
fn symbols(
    header: &Header,
    endian: Endianness,
    data: &ReadCache<File>,
    kind: u32,
    pick: Pick<'_>,
) -> Result<Found, ImageError> {
    let (mut functions, mut slots) = Found::default();
    let sections = header.sections(endian, data)?;
    for (index, section) in sections.enumerate() {
        if section.sh_type(endian) != kind {
            continue;
        }
        let symbols: &[Sym64<Endianness>] = section.data_as_array(endian, data)?;
        // At once: one by one would be as many reads as there are symbols.
        let strings = sections.section(section.link(endian))?.data(endian, data)?;
        for symbol in symbols.iter().filter(|symbol| is_function(symbol, endian)) {
            if let Some(name) = name(strings, symbol.st_name(endian)).and_then(pick) {
                let found = (name, symbol.st_value(endian));
                if !functions.contains(&found) {
                    functions.push(found);
                }
            }
        }
        for relocations in sections.iter().filter(|other| other.link(endian) == index) {
            let Some((relocations, _)) = relocations.rela(endian, data)? else { continue };
            for relocation in relocations {
                let symbol = symbols.get(relocation.r_sym(endian, false) as usize);
                if let Some(symbol) = symbol.filter(|symbol| is_function(symbol, endian)) {
                    slots.insert(relocation.r_offset.get(endian), symbol.st_value(endian));
                }
            }
        }
    }
    Ok((functions, slots))
}

/// Whether a symbol is a function that is defined in its file.
fn is_function(symbol: &Sym64<Endianness>, endian: Endianness) -> bool {
    symbol.st_type() == STT_FUNC
        && symbol.st_type() != STT_GNU_IFUNC
        && symbol.st_shndx(endian) != elf::SHN_UNDEF
        && symbol.st_value(endian) != 0
}

/// The name that stands at this place of a table of strings.
fn name(strings: &[u8], at: u32) -> Option<&str> {
    let rest = strings.get(at as usize..)?;
    str::from_utf8(rest.split(|byte| *byte == 0).next()?).ok()
}
