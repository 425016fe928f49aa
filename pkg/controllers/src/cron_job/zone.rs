//! The time zone of schedules that name none: the machine's own, as `TZ` or `/etc/localtime` tell it.
//!
//! The zones themselves are bundled; only the name is the machine's.

use jiff::tz::TimeZone;

const LINK: &str = "/etc/localtime";

/// The machine's zone; UTC where it says nothing that is known.
pub(super) fn local() -> TimeZone {
    let name = std::env::var("TZ").ok().filter(|tz| !tz.is_empty());
    let link = || std::fs::read_link(LINK).ok().map(|path| path.to_string_lossy().into_owned());
    name.or_else(link).and_then(|text| named(&text)).unwrap_or(TimeZone::UTC)
}

/// `Europe/Berlin`, `:Europe/Berlin` or a path that ends so.
fn named(text: &str) -> Option<TimeZone> {
    let name = text.trim_start_matches(':').rsplit_once("zoneinfo/").map_or(text.trim_start_matches(':'), |(_, n)| n);
    TimeZone::get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn names_and_links() {
        for (text, want) in [
            ("Europe/Berlin", Some("Europe/Berlin")),
            (":Asia/Tokyo", Some("Asia/Tokyo")),
            ("/usr/share/zoneinfo/America/New_York", Some("America/New_York")),
            ("../usr/share/zoneinfo/Etc/UTC", Some("Etc/UTC")),
            ("/nowhere", None),
        ] {
            assert_eq!(named(text).as_ref().and_then(|z| z.iana_name()), want, "{text}");
        }
    }
}
