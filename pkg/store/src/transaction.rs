//! What a caller asks the store to change.

use crate::{Collection, Draft};

/// Operations that happen all or not at all, in order. Each gets a revision of its own.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The operations. A later one sees what an earlier one did.
    pub ops: Vec<Op>,
    /// What an answer promises.
    pub class: Class,
}

/// What an acknowledged transaction has survived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// It is on disk: it survives SIGKILL and power loss.
    #[default]
    Durable,
    /// It is in memory and reaches the disk with a later batch. Only for what is renewed or merely informs (lease
    /// renewals, Events); an unclean stop may forget it, never its revision.
    Relaxed,
}

/// One change.
#[derive(Debug)]
pub enum Op {
    /// Stores an object that must not exist.
    Create {
        /// Where.
        collection: Collection,
        /// The object.
        draft: Draft,
    },
    /// Replaces an object that must be at `expect`.
    Update {
        /// Where.
        collection: Collection,
        /// The revision that was read.
        expect: u64,
        /// The object.
        draft: Draft,
    },
    /// Removes an object.
    Delete {
        /// Where.
        collection: Collection,
        /// Its namespace, empty for cluster-scoped objects.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
        /// The revision it must be at; `None`: any.
        expect: Option<u64>,
        /// Its last state for watchers and the answer; `None`: as it was stored.
        last: Option<Draft>,
    },
}

impl Transaction {
    /// Durable operations.
    pub fn durable(ops: impl Into<Vec<Op>>) -> Self {
        Self { ops: ops.into(), class: Class::Durable }
    }

    /// Relaxed operations; see [`Class::Relaxed`] for what may be.
    pub fn relaxed(ops: impl Into<Vec<Op>>) -> Self {
        Self { ops: ops.into(), class: Class::Relaxed }
    }
}
