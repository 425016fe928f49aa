//! The hash that tells whether a container still is what its spec asks for.
//!
//! It is kept as an annotation of the container and compared after a restart of the agent, possibly a newer one: it
//! must never change for the same spec. Therefore it covers exactly what can change in a running pod's spec and needs a
//! new container: name and image.

use k8s_openapi::api::core::v1::Container;

/// FNV-1a, 32 bits, in hexadecimal.
pub(crate) fn container_hash(container: &Container) -> String {
    let text = format!("{}\0{}", container.name, container.image.as_deref().unwrap_or_default());
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_changes() {
        let c = Container { name: "app".into(), image: Some("img:1".into()), ..Container::default() };
        assert_eq!(container_hash(&c), "3ec09956");
        assert_eq!(container_hash(&Container { tty: Some(true), ..c.clone() }), container_hash(&c));
        assert_ne!(container_hash(&Container { image: Some("img:2".into()), ..c.clone() }), container_hash(&c));
    }
}
