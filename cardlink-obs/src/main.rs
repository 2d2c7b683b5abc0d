//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    cardlink_obs::memory::keep_little();
    cardlink_obs::cli::main()
}
