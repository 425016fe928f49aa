//! A change as history and watchers see it.

use std::sync::Arc;

use knarr_api::Object;

use crate::Collection;

/// One change of one object. Shared between the ring and all watchers, like the objects in it.
#[derive(Debug)]
pub struct Event {
    /// Its revision.
    pub revision: u64,
    /// The object before, as it was stored; `None`: it was created.
    pub previous: Option<Object>,
    /// The object after; `None`: it was deleted.
    pub new: Option<Object>,
    /// Of a deleted object: its last state, carrying the revision of the deletion.
    pub last: Option<Object>,
    pub(crate) collection: Collection,
    /// The row of the object on disk: the revision of its creation.
    pub(crate) row: u64,
    pub(crate) previous_node: Option<Arc<str>>,
    pub(crate) node: Option<Arc<str>>,
}

impl Event {
    /// The object as this event shows it: new, or last state; carries the event's revision.
    pub fn object(&self) -> &Object {
        self.new.as_ref().or(self.last.as_ref()).expect("an event either stores an object or has its last state")
    }

    /// Namespace of the object.
    pub fn namespace(&self) -> &str {
        self.object().namespace()
    }

    /// Name of the object.
    pub fn name(&self) -> &str {
        self.object().name()
    }

    /// Roughly the bytes that only history keeps alive: what `new` holds is also in the map or in a later event.
    pub(crate) fn cost(&self) -> usize {
        const OVERHEAD: usize = 256;
        let body = |o: &Option<Object>| o.as_ref().map_or(0, |o| OVERHEAD + o.json().len());
        OVERHEAD + body(&self.previous) + body(&self.last)
    }
}

/// Which objects of a collection a watcher wants. Fields that are `None` do not restrict.
///
/// A scope is an index, not a selector: an event that touches it before *or* after is delivered, and what it means
/// for a label or field selector is the caller's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// In this namespace.
    pub namespace: Option<Box<str>>,
    /// Of this name.
    pub name: Option<Box<str>>,
    /// On this node, see [`crate::Draft::node`].
    pub node: Option<Box<str>>,
}

impl Scope {
    pub(crate) fn matches(&self, event: &Event) -> bool {
        let is = |want: &Option<Box<str>>, have: &str| want.as_deref().is_none_or(|w| w == have);
        let on_node = |node: &Option<Arc<str>>| node.as_deref() == self.node.as_deref();
        is(&self.namespace, event.namespace())
            && is(&self.name, event.name())
            && (self.node.is_none() || on_node(&event.node) || on_node(&event.previous_node))
    }
}
