//! The format: `<RFC 3339 time> <stdout|stderr> <F|P> <content>`, one line each; `P` lines are parts of a longer one.

use jiff::Timestamp;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) stamp: &'a str,
    pub(super) time: Timestamp,
    pub(super) stdout: bool,
    pub(super) partial: bool,
    pub(super) content: &'a [u8],
}

/// Reads a line without its line feed; nothing for what is not in the format.
pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut parts = line.splitn(4, |b| *b == b' ');
    let stamp = std::str::from_utf8(parts.next()?).ok()?;
    let stream = parts.next()?;
    let tag = parts.next()?;
    let content = parts.next().unwrap_or_default();
    let partial = tag.split(|b| *b == b':').next() == Some(b"P");
    Some(Line {
        stamp,
        time: stamp.parse().ok()?,
        stdout: match stream {
            b"stdout" => true,
            b"stderr" => false,
            _ => return None,
        },
        partial,
        content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let line = parse(b"2016-10-06T00:17:09.669794202Z stdout F log content 1").unwrap();
        assert_eq!((line.stdout, line.partial, line.content), (true, false, &b"log content 1"[..]));
        let line = parse(b"2016-10-06T00:17:09+02:00 stderr P ").unwrap();
        assert_eq!((line.stdout, line.partial, line.content), (false, true, &b""[..]));
        assert_eq!(parse(b"not a log line"), None);
        assert_eq!(parse(b""), None);
    }
}
