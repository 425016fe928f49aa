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

    fn is_root(&self) -> bool {
        matches!(self, Self::Root)
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
