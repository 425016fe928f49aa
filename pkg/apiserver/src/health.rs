//! `/livez`, `/readyz`, `/healthz`: named checks, in upstream's words.

use std::{fmt::Write as _, sync::Arc};

use parking_lot::RwLock;

use crate::{
    reply::{self, Reply},
    uri::Query,
};

/// A check: fast, without waiting; the error is for the log.
type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The checks of a server.
#[derive(Default)]
pub struct Health {
    checks: RwLock<Vec<(String, bool, Check)>>,
}

impl Health {
    /// No checks but `ping`.
    pub fn new() -> Arc<Self> {
        let health = Self::default();
        health.add("ping", true, || Ok(()));
        Arc::new(health)
    }

    /// Adds a check of readiness, and of life too if `live`.
    pub fn add(&self, name: &str, live: bool, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.checks.write().push((name.to_owned(), live, Arc::new(check)));
    }

    /// Whether all checks pass.
    pub fn is_ready(&self) -> bool {
        let checks = self.checks.read().clone();
        checks.iter().all(|(_, _, check)| check().is_ok())
    }

    /// Answers `/livez`, `/readyz/NAME`, ….
    pub(crate) fn answer(&self, path: &str, query: &Query) -> Option<Reply> {
        let (root, one) = path.trim_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
        let checks: Vec<_> =
            self.checks.read().iter().filter(|(_, live, _)| *live || root != "livez").cloned().collect();
        if !one.is_empty() {
            let (_, _, check) = checks.iter().find(|(name, ..)| name == one)?;
            return Some(match check() {
                Ok(()) => reply::text(200, "ok"),
                Err(why) => reply::text(500, format!("internal server error: {why}\n")),
            });
        }
        let (mut lines, mut failed) = (String::new(), false);
        for (name, _, check) in &checks {
            let line = if query.all("exclude").any(|e| e == name) {
                writeln!(lines, "[+]{name} excluded: ok")
            } else {
                match check() {
                    Ok(()) => writeln!(lines, "[+]{name} ok"),
                    Err(why) => {
                        tracing::debug!(check = name, reason = why, "health check failed");
                        failed = true;
                        writeln!(lines, "[-]{name} failed: reason withheld")
                    }
                }
            };
            line.expect("writing to a string cannot fail");
        }
        Some(match (failed, query.get("verbose")) {
            (true, _) => reply::text(500, format!("{lines}{root} check failed\n")),
            (false, Some(_)) => reply::text(200, format!("{lines}{root} check passed\n")),
            (false, None) => reply::text(200, "ok"),
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn ask(health: &Health, path: &str, query: &str) -> String {
        let Some(response) = health.answer(path, &Query::parse(query)) else { return "nothing".to_owned() };
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        format!("{code} {}", String::from_utf8_lossy(&body))
    }

    #[tokio::test]
    async fn checks_pass_and_fail_by_name() {
        let health = Health::new();
        assert_eq!(ask(&health, "/livez", "").await, "200 ok");
        health.add("store", false, || Err("disk full".to_owned()));
        assert_eq!(ask(&health, "/livez", "verbose").await, "200 [+]ping ok\nlivez check passed\n");
        assert_eq!(
            ask(&health, "/readyz", "").await,
            "500 [+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n"
        );
        assert_eq!(ask(&health, "/readyz", "exclude=store").await, "200 ok");
        assert_eq!(ask(&health, "/readyz/store", "").await, "500 internal server error: disk full\n");
        assert_eq!(ask(&health, "/readyz/other", "").await, "nothing");
        assert!(!health.is_ready());
    }
}
