//! Resource lists keep thousandths; what is finer is rounded up.

use knarr_api::{Value, quantity::Quantity};

/// Rounds the amounts of the resource list at a path.
pub(super) fn round(object: &mut Value, path: &[&str]) {
    let Some(list) = object.at_mut(path).and_then(Value::as_object_mut) else { return };
    for (_, amount) in list.iter_mut() {
        if let Some(rounded) = amount.as_str().and_then(rounded) {
            *amount = Value::from(rounded.to_string());
        }
    }
}

/// Rounds `limits` and `requests` of resource requirements.
pub(super) fn requirements(resources: &mut Value) {
    round(resources, &["limits"]);
    round(resources, &["requests"]);
}

/// The amount in whole thousandths, if that differs.
fn rounded(text: &str) -> Option<Quantity> {
    // Only these notations can be finer.
    if !text.contains(['n', 'u', '.', '-']) {
        return None;
    }
    let exact: Quantity = text.parse().ok()?;
    let thousandths = exact.milli_value();
    let rounded = Quantity::milli(thousandths);
    (rounded != exact && thousandths != i64::MAX && thousandths != i64::MIN).then_some(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_the_finest() {
        for (text, want) in [
            ("1", None),
            ("1m", None),
            ("1u", Some("1m")),
            ("100000n", Some("1m")),
            ("0.0015", Some("2m")),
            ("1.5Gi", None),
        ] {
            assert_eq!(rounded(text).map(|q| q.to_string()).as_deref(), want, "{text}");
        }
    }
}
