//! What types and fields are for, in sentences: the descriptions that OpenAPI gives and `kubectl explain` shows.
//!
//! They are needed when a document is made, which is seldom, and are most of what the tables weigh. So the program
//! carries them compressed, and whoever makes a document unpacks them for as long as that takes.

use std::{io::Read as _, ops::Range};

use flate2::read::DeflateDecoder;

/// `name<TAB>text` a type, in the order of the names, each followed by `<TAB>name<TAB>text` a field.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/docs.bin"));

/// The descriptions, unpacked.
#[derive(Debug)]
pub struct Docs {
    text: String,
    /// Where the lines of each type are, sorted by its name.
    types: Vec<Range<usize>>,
}

impl Docs {
    /// Unpacks the descriptions: some 250 KB, in about a millisecond.
    pub fn unpack() -> Self {
        let mut text = String::new();
        DeflateDecoder::new(PACKED).read_to_string(&mut text).expect("the build packed it");
        let (mut types, mut at) = (Vec::<Range<usize>>::new(), 0);
        for line in text.split_inclusive('\n') {
            let end = at + line.len();
            match types.last_mut().filter(|_| line.starts_with('\t')) {
                Some(last) => last.end = end,
                None => types.push(at..end),
            }
            at = end;
        }
        Self { text, types }
    }

    /// What the type with this full name is; empty for types that are not built in.
    pub fn of_type(&self, name: &str) -> &str {
        self.lines(name).next().and_then(|line| line.split_once('\t')).map_or("", |(_, text)| text)
    }

    /// What a member of that type is, as JSON calls it; empty where nothing is said.
    pub fn of_field(&self, name: &str, field: &str) -> &str {
        let mut members = self.lines(name).skip(1).filter_map(|line| line.strip_prefix('\t')?.split_once('\t'));
        members.find(|(member, _)| *member == field).map_or("", |(_, text)| text)
    }

    fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        let of = |range: &Range<usize>| &self.text[range.clone()];
        let at = self.types.binary_search_by(|range| of(range).split('\t').next().unwrap_or_default().cmp(name));
        at.ok().map(|at| of(&self.types[at])).unwrap_or_default().lines()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn every_type_and_field_of_a_kind_is_described() {
        let docs = Docs::unpack();
        let mut silent = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for ((_, _, kind), schema) in kinds() {
            let mut left = vec![schema.ty()];
            while let Some(ty) = left.pop() {
                if let Some(item) = ty.item() {
                    left.push(item);
                }
                if ty.name().is_empty() || !seen.insert(ty.name().to_owned()) {
                    continue;
                }
                if docs.of_type(ty.name()).is_empty() {
                    silent.push(format!("{} ({kind})", ty.name()));
                }
                ty.each_field(&mut |field| {
                    if docs.of_field(ty.name(), field.name()).is_empty() {
                        silent.push(format!("{}.{}", ty.name(), field.name()));
                    }
                    left.push(field.ty());
                });
            }
        }
        assert!(silent.is_empty(), "without description: {silent:#?}");
    }

    #[test]
    fn the_most_particular_sentence_wins() {
        let docs = Docs::unpack();
        let core = |ty: &str| format!("io.k8s.api.core.v1.{ty}");
        assert_eq!(docs.of_field(&core("PodCondition"), "type"), docs.of_field(&core("NodeCondition"), "type"));
        // An inlined member says what its own struct says of it.
        let of_volume = docs.of_field(&core("Volume"), "emptyDir");
        assert_eq!(of_volume, docs.of_field(&core("VolumeSource"), "emptyDir"));
        assert!(!of_volume.is_empty());
        assert_eq!(docs.of_type("example.io/v1.Widget"), "");
    }
}
