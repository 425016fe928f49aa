//! The columns of a kind that has none of its own.

use std::sync::Arc;

use jiff::Timestamp;
use knarr_api::Value;

use crate::Column;

/// NAME and AGE.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column {
            name: "Name".into(),
            kind: "string".into(),
            format: "name".into(),
            priority: 0,
            description: "Name of the object, unique among those of its kind and namespace.".into(),
            cell: Arc::new(|object, _| Value::from(object.str_at(&["metadata", "name"]))),
        },
        Column {
            name: "Age".into(),
            kind: "string".into(),
            format: "".into(),
            priority: 0,
            description: "Time since the object was created.".into(),
            cell: Arc::new(|object, now| Value::from(age(object, now))),
        },
    ]
}

/// The age of an object in two units at most: `45s`, `5m30s`, `3h`, `2d4h`, `1y20d`.
pub(super) fn age(object: &Value, now: Timestamp) -> String {
    let Ok(created) = object.str_at(&["metadata", "creationTimestamp"]).parse::<Timestamp>() else {
        return "<unknown>".to_owned();
    };
    span(now.as_second() - created.as_second())
}

fn span(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |big: i64, unit: &str, small: i64, rest: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{rest}"),
    };
    match seconds {
        // Clocks differ a little.
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => pair(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 8 * 365 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn ages_lose_precision_as_they_grow() {
        let cases = [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (600, "10m"),
            (10_800, "3h"),
            (12_060, "3h21m"),
            (86_400, "24h"),
            (187_200, "2d4h"),
            (864_000, "10d"),
            (86_400 * 740, "2y10d"),
            (86_400 * 3650, "10y"),
        ];
        for (seconds, printed) in cases {
            assert_eq!(span(seconds), printed);
        }
    }
}
