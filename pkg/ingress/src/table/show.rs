//! A table in words, for tests and for people who ask what the ingress does.

use std::fmt;

use super::{Route, Site, Table};
use crate::objects::PathKind;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (host, site) in &self.exact {
            show(f, host, site)?;
        }
        for (parent, site) in &self.wildcard {
            show(f, &format!("*.{parent}"), site)?;
        }
        show(f, "any host", &self.any)?;
        for problem in &self.problems {
            writeln!(f, "! {}: {}: {}", problem.ingress, problem.reason, problem.message)?;
        }
        Ok(())
    }
}

fn show(f: &mut fmt::Formatter<'_>, host: &str, site: &Site) -> fmt::Result {
    if site.routes.is_empty() && site.fallback.is_none() {
        return Ok(());
    }
    writeln!(f, "{host}")?;
    for route in &site.routes {
        let path = match route.path.kind {
            PathKind::Exact => format!("= {}", route.path.text),
            PathKind::Prefix => format!("  {}/", route.path.text),
        };
        line(f, &path, route)?;
    }
    site.fallback.as_ref().map_or(Ok(()), |route| line(f, "  default", route))
}

fn line(f: &mut fmt::Formatter<'_>, path: &str, route: &Route) -> fmt::Result {
    let backend = &route.backend;
    write!(f, "  {path} -> {}", backend.name)?;
    if backend.h2c {
        f.write_str(" h2c")?;
    }
    write!(f, " {:?}", backend.endpoints)?;
    f.write_str(if route.redirect { " redirect\n" } else { "\n" })
}
