//! Finding the place of `metadata.resourceVersion` in an encoded object.
//!
//! The revision is known only at commit, the body is encoded long before. Re-encoding under the writer would cost
//! every commit; instead the place is found once, with a scanner that skips values without building anything, and
//! the commit only copies bytes. In canonical bodies `metadata` comes first, so little is scanned.

use std::ops::Range;

/// A body that cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON object with metadata (at byte {at})")]
pub struct DraftError {
    /// Where the scanner stopped.
    pub at: usize,
}

/// Where the revision goes: the bytes of `span` are replaced by `lead`, the quoted revision and `trail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) span: Range<usize>,
    pub(crate) lead: &'static str,
    pub(crate) trail: &'static str,
}

/// Finds the value of `metadata.resourceVersion`, or the place where Go's `ObjectMeta` would print it.
pub(crate) fn find(json: &[u8]) -> Result<Place, DraftError> {
    let mut scan = Scan { json, at: 0 };
    let mut place = None;
    scan.object(|scan, key, _| {
        if key != b"metadata" || place.is_some() {
            return scan.value();
        }
        place = Some(metadata(scan)?);
        Ok(())
    })?;
    place.ok_or(DraftError { at: scan.at })
}

fn metadata(scan: &mut Scan<'_>) -> Result<Place, DraftError> {
    scan.space();
    let first = scan.at + 1;
    let (mut found, mut after, mut empty) = (None, None, true);
    scan.object(|scan, key, _| {
        empty = false;
        scan.space();
        let start = scan.at;
        scan.value()?;
        match key {
            b"resourceVersion" => found = Some(start..scan.at),
            // what ObjectMeta prints before resourceVersion
            b"name" | b"generateName" | b"namespace" | b"selfLink" | b"uid" => after = Some(scan.at),
            _ => {}
        }
        Ok(())
    })?;
    Ok(match (found, after) {
        (Some(span), _) => Place { span, lead: "", trail: "" },
        (None, Some(at)) => Place { span: at..at, lead: ",\"resourceVersion\":", trail: "" },
        (None, None) => Place { span: first..first, lead: "\"resourceVersion\":", trail: if empty { "" } else { "," } },
    })
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn fail<T>(&self) -> Result<T, DraftError> {
        Err(DraftError { at: self.at })
    }

    fn space(&mut self) {
        while matches!(self.json.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.json.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Result<(), DraftError> {
        if self.peek() != Some(byte) {
            return self.fail();
        }
        self.at += 1;
        Ok(())
    }

    /// Visits the entries of an object; `entry` must consume the value.
    fn object(
        &mut self,
        mut entry: impl FnMut(&mut Self, &'a [u8], usize) -> Result<(), DraftError>,
    ) -> Result<(), DraftError> {
        self.take(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        for index in 0.. {
            self.space();
            let key = self.string()?;
            self.take(b':')?;
            entry(self, key, index)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.fail(),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Consumes a string and gives what stands between the quotes, escapes untouched.
    fn string(&mut self) -> Result<&'a [u8], DraftError> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.json.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return self.fail(),
            }
        }
        self.at += 1;
        Ok(&self.json[start..self.at - 1])
    }

    /// Consumes any value. Nesting is counted, not recursed into: depth is the sender's choice.
    fn value(&mut self) -> Result<(), DraftError> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'"') => drop(self.string()?),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                    while matches!(self.json.get(self.at), Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E'))
                    {
                        self.at += 1;
                    }
                }
                _ => return self.fail(),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let p = find(json.as_bytes()).unwrap();
        let got = format!("{}{}\"7\"{}{}", &json[..p.span.start], p.lead, p.trail, &json[p.span.end..]);
        assert_eq!(got, expected);
    }

    #[test]
    fn replaces_what_stands_there() {
        check(
            r#"{"kind":"A","metadata":{"name":"a","uid":"u","resourceVersion":"123","generation":1},"spec":{}}"#,
            r#"{"kind":"A","metadata":{"name":"a","uid":"u","resourceVersion":"7","generation":1},"spec":{}}"#,
        );
        check(
            r#"{"metadata" : { "labels":{"resourceVersion":"x"}, "resourceVersion" : "" , "uid":"u"}}"#,
            r#"{"metadata" : { "labels":{"resourceVersion":"x"}, "resourceVersion" : "7" , "uid":"u"}}"#,
        );
    }

    #[test]
    fn inserts_in_the_order_of_object_meta() {
        check(
            r#"{"metadata":{"name":"a","uid":"u","generation":1}}"#,
            r#"{"metadata":{"name":"a","uid":"u","resourceVersion":"7","generation":1}}"#,
        );
        check(r#"{"metadata":{"name":"\"}"}}"#, r#"{"metadata":{"name":"\"}","resourceVersion":"7"}}"#);
        check(r#"{"metadata":{"labels":{}}}"#, r#"{"metadata":{"resourceVersion":"7","labels":{}}}"#);
        check(r#"{"metadata":{}}"#, r#"{"metadata":{"resourceVersion":"7"}}"#);
    }

    #[test]
    fn skips_any_value_on_the_way() {
        check(
            r#"{"data":{"metadata":[1,-2.5e+3,true,null,{"a":["\\",{}]}]},"metadata":{"name":"a"},"z":[]}"#,
            r#"{"data":{"metadata":[1,-2.5e+3,true,null,{"a":["\\",{}]}]},"metadata":{"name":"a","resourceVersion":"7"},"z":[]}"#,
        );
    }

    #[test]
    fn refuses_what_is_no_object() {
        for json in [
            "",
            "[]",
            "{}",
            "{\"metadata\":1}",
            "{\"metadata\":{\"a\"",
            "{\"metadata\":{\"a\":\"",
            "{\"a\":}",
            "{\"a\\",
        ] {
            assert!(find(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let json = format!(r#"{{"a":{}{},"metadata":{{}}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert!(find(json.as_bytes()).is_ok());
    }
}
