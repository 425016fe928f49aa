//! The whole-system suite: `knarr-system [--long] [--list] [--part=K/N] [FILTER ...]` runs the real binary on this kernel
//! with a real containerd and real clients, as root, and prints one line a case and `N passed, M failed` at the end.
//! Parts may run at the same time.
//!
//! | variable | what |
//! |---|---|
//! | `KNARR_BIN` | the binary under test |
//! | `KUBECTL_OLD`, `KUBECTL_NEW` | two versions of kubectl |
//! | `KNARR_IMAGES` | directory with the archives of `examples/hello/images` (made when unset) |
//! | `KNARR_KILLS` | how often each fault is repeated |
//! | `KNARR_SEED` | another seed for the random pods |
//!
//! The suite runs in a network namespace of its own, the outside world of its nodes; each node gets one more, and a
//! directory below `/tmp` that every path of it is under. What a node leaves behind when it is taken away is a failure.

#![allow(unreachable_pub, reason = "a program: what is public is public to its modules")]

mod cases;
mod cluster;
mod command;
mod holdings;
mod http;
mod kubectl;
mod load;
mod netns;
mod node;
mod poll;
mod pty;
mod remains;
mod suite;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    match suite::run(std::env::args().skip(1)) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("knarr-system: {e:#}");
            ExitCode::from(2)
        }
    }
}
