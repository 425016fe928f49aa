//! Giving a pulled image its own name instead of the mirror's.

use std::{collections::HashMap, time::Duration};

use containerd_client::services::v1::{self as api, images_client::ImagesClient};
use prost_types::FieldMask;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};

use crate::{CriError, NAMESPACE, Runtime, v1};

/// How long CRI may take to notice the name.
const NOTICE: Duration = Duration::from_secs(10);

/// Names what is called `from` `to`, and takes the old name away. CRI has no such call, so containerd itself is asked.
pub(crate) async fn adopt(channel: &Channel, cri: &dyn Runtime, from: &str, to: &str) -> Result<(), CriError> {
    let failed = |step: &'static str| move |status: Status| CriError::new(step, status.code(), status.message());
    let mut client = ImagesClient::new(channel.clone());
    let get = api::GetImageRequest { name: from.to_owned() };
    let found = client.get(request(get)).await.map_err(failed("GetImage"))?.into_inner().image.unwrap_or_default();
    let labels = HashMap::from([("io.cri-containerd.image".to_owned(), "managed".to_owned())]);
    let record = api::Image { name: to.to_owned(), target: found.target, labels, ..Default::default() };
    let create = api::CreateImageRequest { image: Some(record.clone()), source_date_epoch: None };
    match client.create(request(create)).await {
        Ok(_) => {}
        Err(status) if status.code() == Code::AlreadyExists => {
            let mask = FieldMask { paths: vec!["target".to_owned()] };
            let update =
                api::UpdateImageRequest { image: Some(record), update_mask: Some(mask), source_date_epoch: None };
            client.update(request(update)).await.map_err(failed("UpdateImage"))?;
        }
        Err(status) => return Err(failed("CreateImage")(status)),
    }
    // CRI learns of names by events.
    let deadline = tokio::time::Instant::now() + NOTICE;
    let spec = v1::ImageSpec { image: to.to_owned(), ..Default::default() };
    while cri.image_status(spec.clone()).await?.is_none() {
        if tokio::time::Instant::now() > deadline {
            return Err(CriError::new("TagImage", Code::DeadlineExceeded, "the runtime does not list the image"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let delete = api::DeleteImageRequest { name: from.to_owned(), ..Default::default() };
    match client.delete(request(delete)).await {
        Err(status) if status.code() != Code::NotFound => Err(failed("DeleteImage")(status)),
        _ => Ok(()),
    }
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
    request
}
