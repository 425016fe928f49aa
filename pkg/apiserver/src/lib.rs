//! The HTTPS face: request chain, registry, discovery, OpenAPI
