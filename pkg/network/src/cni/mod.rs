//! The CNI plugin: protocol version 0.3.1 to 1.1.0.
//!
//! The container runtime starts the binary once for each pod that comes or goes, with its wishes in `CNI_*` variables
//! and the network's configuration on standard input; the answer goes to standard output. Every command may be asked
//! again: ADD of what is there answers what is there, DEL of what is gone succeeds.

mod attach;
mod wire;

use std::io::{Read as _, Write as _};

pub(crate) use wire::LOOPBACK;
use wire::{Ask, Command};
pub use wire::{Conf, Failure};

/// Whether this process was started as a plugin.
pub fn is_plugin() -> bool {
    std::env::var_os("CNI_COMMAND").is_some()
}

/// Answers the runtime, as the network's plugin or as the loopback plugin that runtimes ask for beside it. The exit code is 0 on success, 1 with an error document otherwise.
pub fn main() -> std::process::ExitCode {
    let mut conf = String::new();
    let read = std::io::stdin().take(1 << 20).read_to_string(&mut conf);
    let answer = match read {
        Ok(_) => answer(|name| std::env::var(name).ok(), &conf),
        Err(e) => Err(Failure::new(5, "read the configuration", e)),
    };
    let (text, code) = match answer {
        Ok(text) => (text, 0),
        Err(failure) => (failure.to_json(), 1),
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    code.into()
}

fn answer(env: impl Fn(&str) -> Option<String>, conf: &str) -> Result<String, Failure> {
    let ask = Ask::parse(env, conf)?;
    if ask.conf.kind == LOOPBACK {
        return match ask.command {
            Command::Add => attach::loopback(&ask),
            _ => Ok(String::new()),
        };
    }
    match ask.command {
        Command::Version => Ok(wire::versions()),
        Command::Add => attach::add(&ask),
        Command::Del => attach::del(&ask).map(|()| String::new()),
        Command::Check => attach::check(&ask).map(|()| String::new()),
        Command::Status => Ok(String::new()),
        Command::Gc => attach::gc(&ask).map(|()| String::new()),
    }
}
