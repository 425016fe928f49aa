//! Logs: one line an event, to standard error, filtered by `KNARR_LOG` (`info`, `knarr_store=debug,warn`, …).

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Starts logging; call once, first thing. `default` is the filter where `KNARR_LOG` says nothing.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_env("KNARR_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(fmt::layer().with_writer(std::io::stderr).with_ansi(ansi))
        .try_init();
}
