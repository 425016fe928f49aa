//! Where objects live: revisions, transactions, watch history, snapshots
