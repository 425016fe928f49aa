//! knarr: Kubernetes in one static binary.
//!
//! This crate turns arguments into a checked configuration and puts the components together; it contains no logic of
//! a cluster. Started by a container runtime (`CNI_COMMAND` is set) it is the CNI plugin.

mod config;
mod exit;
mod flags;
mod host;
mod input;

fn main() -> std::process::ExitCode {
    exit::report(run())
}

fn run() -> Result<(), exit::Fatal> {
    let mut args = std::env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    match command.to_str().unwrap_or_default() {
        "server" => {
            let input = input::read(flags::Role::Server, args)?;
            let _config = config::check(&input)?;
            Ok(())
        }
        "--version" | "-v" | "version" => {
            println!("knarr version {}", flags::VERSION);
            Ok(())
        }
        "" | "help" | "--help" | "-h" => {
            print!("{}", flags::help());
            Ok(())
        }
        other => Err(exit::Fatal::usage(format!("there is no command {other:?}"), "run `knarr help`")),
    }
}
