//! Static tokens: the administrator's, the join tokens of nodes.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};

use crate::User;

/// Tokens by their hash: a look-up takes the same time whatever part of a guess is right, and memory dumps show none.
#[derive(Default)]
pub struct TokenTable(RwLock<HashMap<[u8; 32], Arc<User>>>);

impl TokenTable {
    /// A table; every user in it is put into `system:authenticated`.
    pub fn new(tokens: impl IntoIterator<Item = (String, User)>) -> Arc<Self> {
        let table = Self::default();
        table.replace(tokens);
        Arc::new(table)
    }

    /// Replaces all entries.
    pub fn replace(&self, tokens: impl IntoIterator<Item = (String, User)>) {
        let entries = tokens.into_iter().filter(|(token, _)| !token.is_empty()).map(|(token, mut user)| {
            if !user.is_in("system:authenticated") {
                user.groups.push("system:authenticated".to_owned());
            }
            (hash(&token), Arc::new(user))
        });
        *self.0.write() = entries.collect();
    }

    /// The user of a token.
    pub fn get(&self, token: &str) -> Option<Arc<User>> {
        self.0.read().get(&hash(token)).cloned()
    }
}

pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_tokens_and_no_others() {
        let table = TokenTable::new([
            ("t".to_owned(), User::new("admin", &["system:masters"])),
            (String::new(), User::default()),
        ]);
        assert_eq!(table.get("t").unwrap().groups, ["system:masters", "system:authenticated"]);
        assert!(table.get("").is_none() && table.get("T").is_none());
        table.replace([]);
        assert!(table.get("t").is_none());
    }
}
