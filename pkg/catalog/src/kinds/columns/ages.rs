//! Spans as `kubectl` prints them: the longer, the coarser.

use jiff::Timestamp;

/// Time from a point given as text until now.
pub(super) fn since(then: &str, now: Timestamp) -> String {
    match then.parse::<Timestamp>() {
        Ok(then) => between(then, now),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// Time between two points.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    span((to.as_millisecond() - from.as_millisecond()) / 1000)
}

/// A span in two units at most: `45s`, `5m30s`, `3h`, `2d4h`, `1y20d`.
pub(super) fn span(seconds: i64) -> String {
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
