//! Where an algorithm is inside a document: a chain on the stack, printed only when there is something to report.

use std::fmt;

/// One step and the way to it.
#[derive(Clone, Copy)]
pub(crate) enum Trail<'a> {
    /// The document itself.
    Root,
    /// A struct member.
    Field(&'a Trail<'a>, &'a str),
    /// A map entry.
    Key(&'a Trail<'a>, &'a str),
    /// A list element.
    Index(&'a Trail<'a>, usize),
}

impl Trail<'_> {
    /// `spec.containers.name`: only the struct members, as Go's decoder names a field in type errors.
    pub(crate) fn members(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(up, _) | Self::Index(up, _) => up.members(),
            Self::Field(up, name) => join(up.members(), name),
        }
    }

    /// Whether this is the place that `path` names, without printing it: names may be long.
    pub(crate) fn is(&self, path: &str) -> bool {
        match self {
            Self::Root => path.is_empty(),
            Self::Field(up, name) | Self::Key(up, name) if up.is_root() => path == *name,
            Self::Field(up, name) | Self::Key(up, name) => {
                path.strip_suffix(name).and_then(|path| path.strip_suffix('.')).is_some_and(|path| up.is(path))
            }
            Self::Index(up, index) => path.strip_suffix(&format!("[{index}]")).is_some_and(|path| up.is(path)),
        }
    }

    fn is_root(&self) -> bool {
        matches!(self, Self::Root)
    }
}

/// More places than this are not named.
pub(crate) const MAX_PATHS: usize = 100;
/// Nor is another one when those named are together longer than this: one long name may stand in all of them.
pub(crate) const MAX_TEXT: usize = 64 << 10;

/// Adds a place to those that a message names.
pub(crate) fn note(paths: &mut Vec<String>, here: &impl fmt::Display) {
    if paths.len() < MAX_PATHS && paths.iter().map(String::len).sum::<usize>() < MAX_TEXT {
        paths.push(here.to_string());
    }
}

fn join(mut way: String, name: &str) -> String {
    if !way.is_empty() {
        way.push('.');
    }
    way.push_str(name);
    way
}

/// `spec.containers[0].name`: as upstream's strict decoder words a place.
impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(up, name) | Self::Key(up, name) if up.is_root() => f.write_str(name),
            Self::Field(up, name) | Self::Key(up, name) => write!(f, "{up}.{name}"),
            Self::Index(up, index) => write!(f, "{up}[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_what_they_print() {
        let spec = Trail::Field(&Trail::Root, "spec");
        let list = Trail::Key(&spec, "a.b");
        let item = Trail::Index(&list, 10);
        let name = Trail::Field(&item, "");
        let all = [Trail::Root, spec, list, item, name];
        for (i, here) in all.iter().enumerate() {
            for (j, there) in all.iter().enumerate() {
                assert_eq!(here.is(&there.to_string()), i == j, "{here} {there}");
            }
        }
        assert!(!item.is("a.b[10]") && !item.is("spec.a.b[0]"));
    }

    #[test]
    fn messages_are_bounded() {
        let long = "x".repeat(MAX_TEXT / 2);
        for (name, most) in [("x", MAX_PATHS), (&long, 2)] {
            let mut paths = Vec::new();
            (0..1000).for_each(|_| note(&mut paths, &Trail::Field(&Trail::Root, name)));
            assert_eq!(paths.len(), most);
        }
    }
}
