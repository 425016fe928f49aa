//! A seeded mutation fuzzer for everything that reads outside bytes.
//!
//! A crate brings [`Target`]s in an example named `fuzz` and calls [`main`]:
//!
//! ```text
//! cargo run -p knarr-stream --example fuzz -- --seconds 60 --target spdy --seed 1
//! ```
//!
//! Without `--target` all take turns and share the time. An input fails when it panics, takes too long or makes the run
//! take more memory than [`Suite::memory`]; it is printed as an escaped string together with the seed, and the exit code
//! is 1. `--input FILE` runs one input again. No coverage guides it, so it needs no special build; what it lacks in aim it
//! makes up with inputs that are nearly right to begin with.
//!
//! A release build does not look for overflows by itself: `CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true`.

mod options;
mod random;
mod run;

use std::process::ExitCode;

pub use random::Random;

/// A decoder or protocol under test.
#[derive(Debug)]
pub struct Target {
    /// What `--target` calls it.
    pub name: &'static str,
    /// Makes an input to start from.
    pub fresh: fn(&mut Random) -> Vec<u8>,
    /// Panics where an invariant breaks.
    pub run: fn(&[u8]),
}

/// The targets of a crate, and what they may take.
#[derive(Debug)]
pub struct Suite {
    /// All of them.
    pub targets: &'static [Target],
    /// Changes an input, maybe with pieces of another one, and keeps it from growing without end.
    pub mutate: fn(&mut Vec<u8>, &[u8], &mut Random),
    /// The most memory the process may ever have had, in KiB.
    pub memory: u64,
}

/// The stack of the threads that serve requests: what is nested too deeply must be found here, not there.
const STACK: usize = 2 << 20;

/// Does what the command line says.
pub fn main(suite: &'static Suite) -> ExitCode {
    let Some(options) = options::parse(std::env::args().skip(1)) else {
        eprintln!("usage: fuzz [--seconds N] [--seed N] [--target NAME] [--input FILE]");
        return ExitCode::from(2);
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || run::run(suite, &options));
    thread.map_or(ExitCode::FAILURE, |t| t.join().unwrap_or(ExitCode::FAILURE))
}
