//! A request → what becomes of it. Pure.
//!
//! Hosts are tried from the exact one over the wildcard (one label, no more) to rules without host; within a host the
//! longest path wins, and of two equally long ones the exact one. Rules come before default backends: first the one of
//! the host, then that of the cluster.

use std::{net::Ipv6Addr, sync::Arc};

use crate::table::{Backend, Route, Site, Table};

/// A request as far as routing is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The host in lower case, without port; see [`host_of`].
    pub host: &'a str,
    /// The path, percent-encoded as it came, without query.
    pub path: &'a str,
    /// Whether it came over TLS, or cannot be sent there because nothing listens.
    pub secure: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'t> {
    /// It goes to this backend.
    Forward(&'t Arc<Backend>),
    /// The client shall come back over TLS.
    Redirect,
    /// No rule matches and there is no default backend.
    NotFound,
}

/// Decides.
pub fn route<'t>(table: &'t Table, asked: Asked<'_>) -> Decision<'t> {
    let sites = [
        table.exact.get(asked.host),
        parent(asked.host).and_then(|parent| table.wildcard.get(parent)),
        Some(&table.any),
    ];
    let by_rule = sites.into_iter().flatten().find_map(|site| by_path(site, asked.path));
    let found = by_rule.or_else(|| sites.into_iter().flatten().find_map(|site| site.fallback.as_ref()));
    match found {
        Some(route) if route.redirect && !asked.secure => Decision::Redirect,
        Some(route) => Decision::Forward(&route.backend),
        None => Decision::NotFound,
    }
}

/// Routes are kept in order of precedence: the first that matches is the one.
fn by_path<'t>(site: &'t Site, path: &str) -> Option<&'t Route> {
    site.routes.iter().find(|route| route.path.matches(path))
}

/// What a wildcard stands before: `example.com` of `app.example.com`.
pub(crate) fn parent(host: &str) -> Option<&str> {
    host.split_once('.').map(|(_, parent)| parent)
}

/// The host of an authority (`Host` header, `:authority`): in lower case, without port and final dot. `None` if it is
/// none.
pub fn host_of(authority: &str) -> Option<String> {
    let host = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
                return None;
            }
            return Some(format!("[{}]", address.to_ascii_lowercase()));
        }
        None => match authority.split_once(':') {
            Some((host, port)) if is_port(port) => host,
            Some(_) => return None,
            None => authority,
        },
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (!host.is_empty() && host.len() <= 253 && host.bytes().all(legal)).then(|| host.to_ascii_lowercase())
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.parse::<u16>().is_ok()
}
