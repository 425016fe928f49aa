//! Manifests of several documents.

/// The documents of a manifest as pieces of its text, split at `---` lines; pieces without content are left out.
///
/// Splitting text rather than parsing the stream keeps one broken document from taking the others with it.
pub fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = match separator(text) {
            Some((end, next)) => (&text[..end], Some(&text[next..])),
            None => (text, None),
        };
        rest = after;
        Some(piece)
    })
    .filter(|piece| piece.lines().any(|line| !matches!(line.trim_start().as_bytes().first(), None | Some(b'#'))))
}

/// Where the next separator line begins and ends.
fn separator(text: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        if let Some(after) = content.strip_prefix("---")
            && (after.is_empty() || after.trim_start().starts_with('#'))
        {
            return Some((at, at + line.len()));
        }
        at += line.len();
    }
    None
}
