//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    cardlink_obs::cli::main()
}
