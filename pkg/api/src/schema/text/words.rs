//! Cuts lines into words, and words into their parts.

use super::Problem;

/// Splits at white space outside double quotes.
pub(super) fn split(line: &str) -> Result<Vec<&str>, Problem> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (None, false, false);
    for (i, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                words.extend(start.take().map(|s| &line[s..i]));
                continue;
            }
            _ => {}
        }
        start.get_or_insert(i);
    }
    if quoted {
        return Err(Problem::Quote);
    }
    words.extend(start.map(|s| &line[s..]));
    Ok(words)
}

/// `name(inside)` → `("name", Some("inside"))`; without parentheses the second is `None`.
pub(super) fn call(word: &str) -> (&str, Option<&str>) {
    match word.strip_suffix(')').and_then(|w| w.split_once('(')) {
        Some((name, inside)) => (name, Some(inside)),
        None => (word, None),
    }
}

/// The items of `A,"b c",D`.
pub(super) fn items(inside: &str) -> Result<Vec<String>, Problem> {
    let mut items = Vec::new();
    let mut rest = inside;
    loop {
        let (item, after) = if rest.starts_with('"') {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let item = stream.next().and_then(Result::ok).ok_or(Problem::Quote)?;
            (item, &rest[stream.byte_offset()..])
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        items.push(item);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(items),
            None => return Err(Problem::Expected("a comma between items")),
        }
    }
}
