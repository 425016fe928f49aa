//! Who is asking.

use std::{collections::BTreeMap, sync::Arc};

/// A user as authentication found it (`authentication.k8s.io/v1 UserInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Unique id, empty where the method knows none.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Everything else.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A user with groups.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self { name: name.to_owned(), groups: groups.iter().map(|g| (*g).to_owned()).collect(), ..Self::default() }
    }

    /// A component of this process: `system:…`, authenticated.
    pub fn component(name: &str) -> Self {
        Self::new(name, &["system:authenticated"])
    }

    /// Whether the user is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// The origin of one request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub user: Arc<User>,
    /// The field manager of writes that name none (upstream: the user agent up to the first `/`).
    pub manager: Arc<str>,
}
