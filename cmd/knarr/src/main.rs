//! knarr: Kubernetes in one static binary.
//!
//! This crate turns arguments into a checked configuration and puts the components together; it contains no logic of
//! a cluster. Started by a container runtime (`CNI_COMMAND` is set) it is the CNI plugin.

mod agent;
mod balancer;
mod component;
mod config;
mod credentials;
mod dialer;
mod edge;
mod exit;
mod flags;
mod heap;
mod host;
mod input;
mod join;
mod kubeconfig;
mod listeners;
mod node;
mod notify;
mod pid;
mod preflight;
mod registries;
mod renewal;
mod roles;
mod server;
mod token;
mod uninstall;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    if knarr_network::cni::is_plugin() {
        return knarr_network::cni::main();
    }
    heap::settle();
    exit::report(run())
}

fn run() -> Result<(), exit::Fatal> {
    let mut args = std::env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    match command.to_str().unwrap_or_default() {
        "server" => {
            let (input, config) = configure(args)?;
            if !input.one("server").is_empty() {
                return Err(exit::Fatal::usage(
                    "a server cannot join another one: several servers are not supported yet",
                    "run `knarr agent` instead, or leave --server (KNARR_URL) out",
                ));
            }
            preflight::check(&config)?;
            let _claim = pid::claim(&config.paths.run)?;
            let listeners = listeners::Listeners::inherit();
            runtime()?.block_on(server::run(config, &listeners))
        }
        "agent" => {
            let (input, config) = configure(args)?;
            let join = config::join(&input)?;
            preflight::check(&config)?;
            let _claim = pid::claim(&config.paths.run)?;
            let listeners = listeners::Listeners::inherit();
            runtime()?.block_on(worker::run(config, join, &listeners))
        }
        "token" => token::run(args, runtime),
        "uninstall" => {
            let (_, config) = configure(args)?;
            runtime()?.block_on(uninstall::run(&config))
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

fn configure(args: impl Iterator<Item = std::ffi::OsString>) -> Result<(input::Input, config::Config), exit::Fatal> {
    let input = input::read(args)?;
    let config = config::check(&input)?;
    knarr_daemon::telemetry::init(if config.debug { "debug,hyper=info,h2=info,tower=info" } else { "info" });
    for warning in &input.warnings {
        tracing::warn!("{warning}");
    }
    Ok((input, config))
}

/// Two workers serve a small machine as well as more would, and each costs memory.
fn runtime() -> Result<tokio::runtime::Runtime, exit::Fatal> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    runtime.map_err(|e| exit::Fatal::host(format!("cannot start threads: {e}"), "raise the limits of this process"))
}
