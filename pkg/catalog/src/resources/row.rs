//! How a resource is written down: what most resources have in common is the starting point, a row says the rest.

use crate::Verbs;

/// The resources of one API group whose first (and stored) version this is.
pub(super) struct Group {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) rows: &'static [Row],
}

/// One resource; see the fields of [`crate::Resource`].
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    /// Empty: the kind in lower case.
    pub(super) singular: &'static str,
    pub(super) short: &'static [&'static str],
    pub(super) categories: &'static [&'static str],
    pub(super) namespaced: bool,
    pub(super) stored: bool,
    pub(super) verbs: Verbs,
    /// What a write through `status` resets; `None` where there is no such subresource.
    pub(super) status: Option<&'static [&'static str]>,
    pub(super) scale: bool,
    pub(super) subresources: &'static [Sub],
    pub(super) resets: &'static [&'static str],
    pub(super) generation: bool,
    pub(super) create_on_update: bool,
    pub(super) unconditional_update: bool,
    pub(super) graceful: bool,
    pub(super) selectable: &'static [(&'static str, &'static str)],
}

impl Row {
    /// A stored, namespaced resource with all verbs and no subresource, updatable without resourceVersion.
    pub(super) const fn new(kind: &'static str, plural: &'static str) -> Self {
        Self {
            kind,
            plural,
            singular: "",
            short: &[],
            categories: &[],
            namespaced: true,
            stored: true,
            verbs: Verbs::ALL,
            status: None,
            scale: false,
            subresources: &[],
            resets: &[],
            generation: false,
            create_on_update: false,
            unconditional_update: true,
            graceful: false,
            selectable: &[],
        }
    }

    /// A resource of the whole cluster.
    pub(super) const fn cluster(kind: &'static str, plural: &'static str) -> Self {
        let mut row = Self::new(kind, plural);
        row.namespaced = false;
        row
    }

    /// A question: created, answered, never stored.
    pub(super) const fn review(kind: &'static str, plural: &'static str) -> Self {
        let mut row = Self::cluster(kind, plural).verbs(Verbs::CREATE);
        row.stored = false;
        row
    }

    pub(super) const fn namespaced(mut self) -> Self {
        self.namespaced = true;
        self
    }

    pub(super) const fn verbs(mut self, verbs: Verbs) -> Self {
        self.verbs = verbs;
        self
    }

    pub(super) const fn singular(mut self, name: &'static str) -> Self {
        self.singular = name;
        self
    }

    pub(super) const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short = names;
        self
    }

    pub(super) const fn categories(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }

    /// Has `status`: the resource itself cannot write it, and `status` cannot write `resets`.
    pub(super) const fn status(mut self, resets: &'static [&'static str]) -> Self {
        self.status = Some(resets);
        self.resets = &["status"];
        self
    }

    pub(super) const fn scale(mut self) -> Self {
        self.scale = true;
        self
    }

    pub(super) const fn subresources(mut self, subresources: &'static [Sub]) -> Self {
        self.subresources = subresources;
        self
    }

    pub(super) const fn generation(mut self) -> Self {
        self.generation = true;
        self
    }

    pub(super) const fn create_on_update(mut self) -> Self {
        self.create_on_update = true;
        self
    }

    /// An update must name the resourceVersion it is based on.
    pub(super) const fn conditional_update(mut self) -> Self {
        self.unconditional_update = false;
        self
    }

    pub(super) const fn graceful(mut self) -> Self {
        self.graceful = true;
        self
    }

    pub(super) const fn selectable(mut self, fields: &'static [(&'static str, &'static str)]) -> Self {
        self.selectable = fields;
        self
    }
}

/// A subresource; see [`crate::Subresource`].
#[derive(Clone, Copy)]
pub(super) struct Sub {
    pub(super) name: &'static str,
    pub(super) verbs: Verbs,
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) resets: &'static [&'static str],
}

impl Sub {
    /// One whose document is the resource itself.
    pub(super) const fn own(name: &'static str, verbs: Verbs) -> Self {
        Self::of(name, verbs, "", "", "")
    }

    /// One with a document of its own.
    pub(super) const fn of(
        name: &'static str,
        verbs: Verbs,
        group: &'static str,
        version: &'static str,
        kind: &'static str,
    ) -> Self {
        Self { name, verbs, group, version, kind, resets: &[] }
    }

    /// A stream to a node, with options in the query.
    pub(super) const fn connect(name: &'static str, kind: &'static str) -> Self {
        Self::of(name, Verbs::CREATE.and(Verbs::GET), "", "v1", kind)
    }

    /// HTTP passed through, any method.
    pub(super) const fn proxy(kind: &'static str) -> Self {
        Self::of("proxy", Verbs::STATUS.and(Verbs::CREATE).and(Verbs::DELETE), "", "v1", kind)
    }

    pub(super) const fn resets(mut self, resets: &'static [&'static str]) -> Self {
        self.resets = resets;
        self
    }
}
