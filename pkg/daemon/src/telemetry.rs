//! Logs: one line an event, to standard error, filtered by `KNARR_LOG` (`info`, `knarr_store=debug,warn`, …).

use std::env;

use tracing_subscriber::{filter::Targets, fmt, prelude::*};

const VARIABLE: &str = "KNARR_LOG";

/// Starts logging; call once, first thing. `default` is the filter where `KNARR_LOG` says nothing that can be read.
pub fn init(default: &str) {
    let asked = env::var(VARIABLE).ok().map(|text| text.parse::<Targets>());
    let (filter, wrong) = match asked {
        Some(Ok(filter)) => (filter, None),
        Some(Err(e)) => (targets(default), Some(e)),
        None => (targets(default), None),
    };
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(fmt::layer().with_writer(std::io::stderr).with_ansi(ansi))
        .try_init();
    if let Some(e) = wrong {
        tracing::warn!(error = %e, "{VARIABLE} cannot be read; it is ignored");
    }
}

fn targets(text: &str) -> Targets {
    text.parse().expect("a filter of the program's own")
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn filters_are_levels_and_crates() {
        let filter = targets("debug,hyper=info");
        let shows = |target, level| filter.would_enable(target, &level);
        assert!(shows("knarr::agent", Level::DEBUG) && shows("hyper", Level::INFO));
        assert!(!shows("hyper::proto", Level::DEBUG) && !shows("knarr", Level::TRACE));
        assert!("knarr=loud".parse::<Targets>().is_err());
    }
}
