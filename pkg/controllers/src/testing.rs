//! What tests of controllers share.

use std::sync::Arc;

use knarr_client::{Api, Resource, events::Recorder, fake::FakeApi};

use crate::{Config, Context};

/// A context over a cluster in memory. Its events go nowhere.
pub(crate) fn context(fake: &FakeApi) -> Context {
    context_with(fake, Vec::new())
}

/// The same, with resources that are known by their kinds.
pub(crate) fn context_with(fake: &FakeApi, resources: Vec<Resource>) -> Context {
    let api: Arc<dyn Api> = Arc::new(fake.clone());
    let (recorder, _) = Recorder::new(api.clone(), "test", "");
    let config = Config {
        cluster_cidr: "10.42.0.0/16".parse().expect("a network"),
        node_prefix: 24,
        root_ca: String::new(),
        resources,
    };
    Context { api, recorder, config: Arc::new(config) }
}
