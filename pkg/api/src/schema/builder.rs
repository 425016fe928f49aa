//! Makes [`Tables`]: interns names, word lists and types, so that equal things are stored once.
//!
//! Both sources of schemas end here, the notation of the built-in types ([`super::text`]) and the compiler of
//! CustomResourceDefinitions. A struct is first [reserved](Builder::reserve), so that types may refer to it (and to
//! themselves), and [filled](Builder::fill) later.

use std::{borrow::Cow, collections::HashMap};

use super::{FieldRow, ListKind, Node, NodeId, Print, Run, Scalar, Strategy, StructRow, Tables, Text};

/// The schema does not fit the tables: a text over 64 KiB, a struct or list of words over 65,535 entries, or over
/// 4 GiB of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema is too large")]
pub struct TooLarge;

/// Tables in the making.
#[derive(Debug, Default)]
pub struct Builder {
    text: String,
    texts: HashMap<Box<str>, Text>,
    nodes: Vec<Node>,
    types: HashMap<Shape, NodeId>,
    fields: Vec<FieldRow>,
    words: Vec<Text>,
    runs: HashMap<Box<[Text]>, Run>,
}

/// What makes two types that are not structs the same.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Shape {
    Scalar(u8),
    List(NodeId, u8, u32, bool),
    Map(NodeId, bool),
}

impl Builder {
    /// Interns a text.
    ///
    /// # Errors
    /// It does not fit.
    pub fn text(&mut self, text: &str) -> Result<Text, TooLarge> {
        if text.is_empty() {
            return Ok(Text::default());
        }
        if let Some(known) = self.texts.get(text) {
            return Ok(*known);
        }
        let made = Text { at: index(self.text.len())?, len: count(text.len())? };
        self.text.push_str(text);
        self.texts.insert(text.into(), made);
        Ok(made)
    }

    /// Interns a list of words.
    ///
    /// # Errors
    /// It does not fit.
    pub fn words<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) -> Result<Run, TooLarge> {
        let words: Box<[Text]> = words.into_iter().map(|w| self.text(w)).collect::<Result<_, _>>()?;
        if words.is_empty() {
            return Ok(Run::default());
        }
        if let Some(known) = self.runs.get(&words) {
            return Ok(*known);
        }
        let made = Run { at: index(self.words.len())?, len: count(words.len())? };
        self.words.extend_from_slice(&words);
        self.runs.insert(words, made);
        Ok(made)
    }

    /// A leaf.
    ///
    /// # Errors
    /// It does not fit.
    pub fn scalar(&mut self, scalar: Scalar) -> Result<NodeId, TooLarge> {
        self.intern(Shape::Scalar(scalar as u8), Node::Scalar(scalar))
    }

    /// A list; see [`Node::List`].
    ///
    /// # Errors
    /// It does not fit.
    pub fn list(&mut self, item: NodeId, kind: ListKind, keys: Run, wrapped: bool) -> Result<NodeId, TooLarge> {
        // Equal word lists are one run, so its start (and the kind, for the empty one) says it all.
        self.intern(Shape::List(item, kind as u8, keys.at, wrapped), Node::List { item, kind, keys, wrapped })
    }

    /// A map; see [`Node::Map`].
    ///
    /// # Errors
    /// It does not fit.
    pub fn map(&mut self, value: NodeId, atomic: bool) -> Result<NodeId, TooLarge> {
        self.intern(Shape::Map(value, atomic), Node::Map { value, atomic })
    }

    /// A struct without members yet.
    ///
    /// # Errors
    /// It does not fit.
    pub fn reserve(&mut self, name: &str, atomic: bool, open: bool) -> Result<NodeId, TooLarge> {
        let name = self.text(name)?;
        self.push(Node::Struct(StructRow { name, fields: Run::default(), atomic, open }))
    }

    /// Gives a reserved struct its members; a second call replaces those of the first.
    ///
    /// # Errors
    /// They do not fit.
    ///
    /// # Panics
    /// `id` did not come from [`Builder::reserve`].
    pub fn fill(&mut self, id: NodeId, members: &[FieldRow]) -> Result<(), TooLarge> {
        let run = Run { at: index(self.fields.len())?, len: count(members.len())? };
        self.fields.extend_from_slice(members);
        let Node::Struct(row) = &mut self.nodes[id as usize] else { panic!("node {id} is no struct") };
        row.fields = run;
        Ok(())
    }

    /// The tables.
    pub fn finish(self) -> Tables {
        Tables {
            text: Cow::Owned(self.text),
            nodes: Cow::Owned(self.nodes),
            fields: Cow::Owned(self.fields),
            words: Cow::Owned(self.words),
        }
    }

    fn intern(&mut self, shape: Shape, node: Node) -> Result<NodeId, TooLarge> {
        if let Some(known) = self.types.get(&shape) {
            return Ok(*known);
        }
        let id = self.push(node)?;
        self.types.insert(shape, id);
        Ok(id)
    }

    fn push(&mut self, node: Node) -> Result<NodeId, TooLarge> {
        let id = index(self.nodes.len())?;
        self.nodes.push(node);
        Ok(id)
    }
}

impl FieldRow {
    /// A member about which nothing but name and type is known: always printed, no tag.
    pub fn plain(name: Text, node: NodeId) -> Self {
        Self {
            name,
            node,
            tag: 0,
            pointer: false,
            print: Print::Always,
            inline: false,
            required: false,
            nullable: false,
            immutable: false,
            strategy: Strategy::Default,
            merge_key: Text::default(),
            default: Text::default(),
            enums: Run::default(),
            format: Text::default(),
        }
    }
}

fn index(n: usize) -> Result<u32, TooLarge> {
    u32::try_from(n).map_err(|_| TooLarge)
}

fn count(n: usize) -> Result<u16, TooLarge> {
    u16::try_from(n).map_err(|_| TooLarge)
}
