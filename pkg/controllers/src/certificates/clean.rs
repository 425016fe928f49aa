//! When a request has done its work: upstream's cleaner. Pure.

use std::time::Duration;

use jiff::Timestamp;
use knarr_api::Value;

use super::request::Wanted;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a request may stay; zero: it goes.
pub(super) fn left(request: &Wanted, now: Timestamp) -> Duration {
    let mut left = DAY;
    let mut until = |since: Option<Timestamp>, stay: Duration| {
        if let Some(since) = since {
            let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            left = left.min(stay.saturating_sub(age));
        }
    };
    if request.conditions().is_empty() {
        until(request.created.parse().ok(), DAY);
    }
    for condition in request.conditions() {
        let since = condition.at(&["lastUpdateTime"]).and_then(Value::as_str).and_then(|t| t.parse().ok());
        match condition.str_at(&["type"]) {
            "Approved" if request.is_issued() => until(since, HOUR),
            "Approved" => until(since, DAY),
            "Denied" | "Failed" => until(since, HOUR),
            _ => {}
        }
    }
    let issued = request.certificate().filter(|_| request.is_approved());
    if issued.and_then(|pem| knarr_pki::expiry(&pem).ok()).is_some_and(|(end, _)| end < now) {
        return Duration::ZERO;
    }
    left
}

#[cfg(test)]
mod tests {
    use knarr_api::Object;
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_stay_as_long_as_upstream_keeps_them() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let hours = |created: &str, conditions: serde_json::Value, certificate: &str| {
            let object = json!({
                "metadata": { "name": "r", "creationTimestamp": created },
                "status": { "conditions": conditions, "certificate": certificate },
            });
            left(&Wanted::of(&Object::from_json(object.to_string().into()).unwrap()).unwrap(), now).as_secs() / 3600
        };
        let at = |kind: &str, time: &str| json!([{ "type": kind, "status": "True", "lastUpdateTime": time }]);
        assert_eq!(hours("2026-01-01T12:00:00Z", json!([]), ""), 12, "pending");
        assert_eq!(hours("2026-01-01T00:00:00Z", json!(null), ""), 0, "pending for a day");
        assert_eq!(hours("2025-01-01T00:00:00Z", at("Approved", "2026-01-01T12:00:00Z"), ""), 12, "not issued");
        assert_eq!(hours("2025-01-01T00:00:00Z", at("Approved", "2026-01-01T23:00:00Z"), "eA=="), 0, "issued");
        assert_eq!(hours("2025-01-01T00:00:00Z", at("Denied", "2026-01-02T00:00:00Z"), ""), 1, "denied now");
        assert_eq!(hours("2025-01-01T00:00:00Z", at("Failed", "2026-01-01T22:00:00Z"), ""), 0, "failed");
    }
}
