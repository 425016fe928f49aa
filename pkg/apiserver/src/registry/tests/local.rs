//! The API for components of this process.

use std::sync::Arc;

use expect_test::expect;
use knarr_api::value;
use knarr_client::{ApiExt, resources::CONFIG_MAPS};

use super::{Anyone, Lab};
use crate::{Caller, LocalApi, User};

fn api(lab: &Lab, name: &str) -> LocalApi {
    let caller = Caller { user: User::component(name).into(), manager: "component".into() };
    LocalApi::new(lab.registry.clone(), Arc::new(Anyone), caller)
}

#[tokio::test]
async fn a_component_works_through_the_same_chain() {
    let lab = Lab::new().await;
    let api = api(&lab, "system:kube-controller-manager");
    let made = api
        .create(&CONFIG_MAPS, "default", value!({ "metadata": { "name": "a" }, "data": { "k": "v" } }))
        .await
        .unwrap();
    assert_eq!(made.name(), "a");
    let merged = api.merge(&CONFIG_MAPS, "default", "a", "", value!({ "data": { "k": "w" } })).await.unwrap();
    assert!(merged.revision() > made.revision());
    assert_eq!(api.list(&CONFIG_MAPS, "default").await.unwrap().items.len(), 1);
    let refused = api.create(&CONFIG_MAPS, "none", value!({ "metadata": { "name": "a" } })).await.unwrap_err();
    expect![[r#"namespaces "none" not found"#]].assert_eq(&refused.to_string());
    api.delete(&CONFIG_MAPS, "default", "a", &made.meta().uid).await.unwrap();
    assert_eq!(api.get(&CONFIG_MAPS, "default", "a").await.unwrap_err().code(), 404);
}

#[tokio::test]
async fn authorization_comes_first() {
    let lab = Lab::new().await;
    let refused = api(&lab, "nobody").get(&CONFIG_MAPS, "default", "a").await.unwrap_err();
    expect![[r#"403 configmaps "a" is forbidden: User "nobody" cannot get resource "configmaps" in API group "" in the namespace "default": no"#]].assert_eq(&format!("{} {refused}", refused.code()));
}
