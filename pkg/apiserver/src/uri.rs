//! Paths and queries as Go's `net/url` reads them: percent-decoded once, `+` a space in queries, first value counts.

/// A decoded query string in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes `a=b&c`. A pair that does not decode is dropped, as Go's `URL.Query` drops it.
    pub(crate) fn parse(raw: &str) -> Self {
        let pair = |pair: &str| {
            if pair.is_empty() || pair.contains(';') {
                return None;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key, true)?, decode(value, true)?))
        };
        Self(raw.split('&').filter_map(pair).collect())
    }

    /// The first value of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// All values of `key`.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

/// Decodes `%xx` (and `+` if `plus`). None for a broken escape or for bytes that are not UTF-8.
pub(crate) fn decode(raw: &str, plus: bool) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus => b' ',
            b => b,
        });
    }
    String::from_utf8(out).ok()
}

/// Encodes a value for a query string.
pub(crate) fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for b in value.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_queries_as_go_does() {
        let q = Query::parse("a=1&a=2&flag&x=%2Fy+z&bad=%zz&&c;d=1");
        assert_eq!(q.get("a"), Some("1"));
        assert_eq!(q.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((q.get("flag"), q.get("x"), q.get("bad"), q.get("d")), (Some(""), Some("/y z"), None, None));
        assert_eq!(Query::parse(&format!("k={}", encode("a b/ü&"))).get("k"), Some("a b/ü&"));
        assert_eq!(decode("/a%2", false), None);
    }
}
