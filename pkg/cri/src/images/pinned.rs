//! Which images nobody may take away: those that were brought in from files, and the sandbox's.

use containerd_client::services::v1::{self as api, images_client::ImagesClient};
use tonic::{Request, metadata::MetadataValue, transport::Channel};

use crate::{CriError, NAMESPACE};

/// Their names. containerd before 1.7 keeps the mark and does not tell of it through CRI, so it is asked itself.
pub(crate) async fn pinned(channel: &Channel) -> Result<Vec<String>, CriError> {
    let filter = r#"labels."io.cri-containerd.pinned"==pinned"#.to_owned();
    let mut request = Request::new(api::ListImagesRequest { filters: vec![filter] });
    request.metadata_mut().insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
    let answer = ImagesClient::new(channel.clone()).list(request).await;
    let answer = answer.map_err(|status| CriError::new("ListPinned", status.code(), status.message()))?;
    Ok(answer.into_inner().images.into_iter().map(|image| image.name).collect())
}
