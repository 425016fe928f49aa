//! Which representation a client wants (`Accept`) and which one it sent (`Content-Type`).
//!
//! Upstream's rules: clauses are tried by quality, each against our formats in our order; a clause whose parameters
//! we cannot serve (`as=Table` in protobuf) is skipped, and 406 is the answer only if none is left. kubectl relies on
//! this: it asks for a Table first and plain JSON after it.

use http::HeaderMap;
use knarr_api::{Reason, Status};
use knarr_client::PatchKind;

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

impl Format {
    const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    /// The media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// The media type of a watch.
    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml;stream=watch",
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }
}

/// What is made of the object before it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum View {
    /// Nothing.
    Whole,
    /// `meta.k8s.io` Table.
    Table(Meta),
    /// Metadata only.
    Partial(Meta),
    /// A list of metadata.
    PartialList(Meta),
}

/// The version of the `meta.k8s.io` group a view is encoded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Meta {
    /// `v1`
    V1,
    /// `v1beta1`
    V1Beta1,
}

impl Meta {
    /// `apiVersion`.
    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accept {
    /// The format.
    pub(crate) format: Format,
    /// The view.
    pub(crate) view: View,
}

/// One clause of an `Accept` header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause<'a> {
    kind: &'a str,
    subkind: &'a str,
    quality: f32,
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    /// Whether the clause names this media type, by wildcard or outright.
    pub(crate) fn covers(&self, media_type: &str) -> bool {
        let (kind, subkind) = media_type.split_once('/').unwrap_or((media_type, ""));
        (self.kind == kind && (self.subkind == subkind || self.subkind == "*"))
            || (self.kind, self.subkind) == ("*", "*")
    }

    /// The value of a parameter, empty if it is not there.
    pub(crate) fn param(&self, name: &str) -> &'a str {
        self.params.iter().find(|(k, _)| *k == name).map_or("", |(_, v)| v)
    }

    /// The `(g, v, as)` conversion asked for.
    pub(crate) fn target(&self) -> Option<(&'a str, &'a str, &'a str)> {
        let target = (self.param("g"), self.param("v"), self.param("as"));
        (target != ("", "", "")).then_some(target)
    }
}

/// The clauses of a header, best first.
pub(crate) fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header
        .split(',')
        .filter_map(|clause| {
            let mut pieces = clause.split(';').map(str::trim);
            let (kind, subkind) = match pieces.next()? {
                "" => return None,
                "*" => ("*", "*"),
                media => media.split_once('/')?,
            };
            let mut clause = Clause { kind, subkind, quality: 1.0, params: Vec::new() };
            for (key, value) in pieces.filter_map(|p| p.split_once('=')) {
                match key {
                    "q" => clause.quality = value.parse().unwrap_or(1.0),
                    key => clause.params.push((key, value)),
                }
            }
            Some(clause)
        })
        .collect();
    clauses.sort_by(|a, b| {
        let general = |c: &Clause<'_>| (c.kind == "*", c.subkind == "*");
        b.quality.total_cmp(&a.quality).then(general(a).cmp(&general(b)))
    });
    clauses
}

/// The `Accept` header, all of them joined.
pub(crate) fn accept_header(headers: &HeaderMap) -> String {
    let values: Vec<_> = headers.get_all(http::header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    values.join(",")
}

/// What an endpoint can serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// Its objects have protobuf encodings (custom resources have none).
    pub(crate) protobuf: bool,
    /// Tables and metadata views can be made of its objects.
    pub(crate) views: bool,
    /// It is a stream of watch events.
    pub(crate) stream: bool,
}

impl Offer {
    /// A document without views.
    pub(crate) const DOCUMENT: Self = Self { protobuf: true, views: false, stream: false };

    /// Agrees with the client.
    ///
    /// # Errors
    /// 406 if no clause can be served.
    pub(crate) fn accept(self, header: &str) -> Result<Accept, Status> {
        if header.trim().is_empty() {
            return Ok(Accept { format: Format::Json, view: View::Whole });
        }
        for clause in clauses(header) {
            for format in Format::ALL.into_iter().filter(|f| clause.covers(f.media_type())) {
                if let Some(view) = self.view(format, &clause) {
                    return Ok(Accept { format, view });
                }
            }
        }
        Err(not_acceptable(self.stream))
    }

    fn view(self, format: Format, clause: &Clause<'_>) -> Option<View> {
        if !matches!(clause.param("stream"), "" | "watch") {
            return None;
        }
        let Some((group, version, kind)) = clause.target() else {
            return (format != Format::Protobuf || self.protobuf).then_some(View::Whole);
        };
        let meta = match (group, version) {
            ("meta.k8s.io", "v1") => Meta::V1,
            ("meta.k8s.io", "v1beta1") => Meta::V1Beta1,
            _ => return None,
        };
        match kind {
            _ if !self.views => None,
            "Table" => (format != Format::Protobuf).then_some(View::Table(meta)),
            "PartialObjectMetadata" => Some(View::Partial(meta)),
            "PartialObjectMetadataList" => Some(View::PartialList(meta)),
            _ => None,
        }
    }
}

fn not_acceptable(stream: bool) -> Status {
    let list = Format::ALL.map(|f| match stream {
        true => format!("{};stream=watch", f.media_type()),
        false => f.media_type().to_owned(),
    });
    Status::new(Reason::NotAcceptable, format!("only the following media types are accepted: {}", list.join(", ")))
}

/// The format of a body that is an object.
///
/// # Errors
/// 415 for anything but our formats.
pub(crate) fn body_format(content_type: &str) -> Result<Format, Status> {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "" => Ok(Format::Json),
        media => Format::ALL
            .into_iter()
            .find(|f| f.media_type() == media)
            .ok_or_else(|| unsupported(&Format::ALL.map(Format::media_type))),
    }
}

/// The patch format of a body. `strategic` says whether the kind knows strategic merge patches (custom ones do not).
///
/// # Errors
/// 415 for anything else.
pub(crate) fn patch_kind(content_type: &str, strategic: bool) -> Result<PatchKind, Status> {
    const ALL: [PatchKind; 4] = [PatchKind::Json, PatchKind::Merge, PatchKind::Strategic, PatchKind::Apply];
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let known = ALL.into_iter().filter(|k| strategic || *k != PatchKind::Strategic);
    known.clone().find(|k| k.media_type() == media).ok_or_else(|| {
        let types: Vec<_> = known.map(PatchKind::media_type).collect();
        unsupported(&types)
    })
}

fn unsupported(types: &[&str]) -> Status {
    Status::new(
        Reason::UnsupportedMediaType,
        format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            types.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_headers() {
        const OBJECT: Offer = Offer { protobuf: true, views: true, stream: false };
        const CUSTOM: Offer = Offer { protobuf: false, views: true, stream: false };
        const KUBECTL: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        const PROTO: &str = "application/vnd.kubernetes.protobuf, */*";
        use Format::{Json, Protobuf, Yaml};
        let table = [
            (OBJECT, "", Some((Json, View::Whole))),
            (OBJECT, "*/*", Some((Json, View::Whole))),
            (OBJECT, "application/*;q=0.1, application/yaml", Some((Yaml, View::Whole))),
            (OBJECT, "text/html, application/xml", None),
            (OBJECT, KUBECTL, Some((Json, View::Table(Meta::V1)))),
            (Offer::DOCUMENT, KUBECTL, Some((Json, View::Whole))),
            (OBJECT, PROTO, Some((Protobuf, View::Whole))),
            (CUSTOM, PROTO, Some((Json, View::Whole))),
            (CUSTOM, "application/vnd.kubernetes.protobuf", None),
            (
                OBJECT,
                "application/json;q=0.5, application/vnd.kubernetes.protobuf;q=0.9",
                Some((Protobuf, View::Whole)),
            ),
            (OBJECT, "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1", None),
            (
                CUSTOM,
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
                Some((Protobuf, View::Partial(Meta::V1))),
            ),
            (OBJECT, "application/json;as=Other;g=meta.k8s.io;v=v1", None),
            (OBJECT, "application/json;stream=watch", Some((Json, View::Whole))),
            (OBJECT, "application/json;stream=other", None),
        ];
        for (offer, header, want) in table {
            let got = offer.accept(header).ok().map(|a| (a.format, a.view));
            assert_eq!(got, want, "{header}");
        }
        let message = OBJECT.accept("text/html").unwrap_err().to_string();
        assert_eq!(
            message,
            "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        );
    }

    #[test]
    fn content_types() {
        assert_eq!(body_format("application/json; charset=utf-8").unwrap(), Format::Json);
        assert_eq!(body_format("").unwrap(), Format::Json);
        assert_eq!(body_format("text/plain").unwrap_err().code(), 415);
        assert_eq!(patch_kind("application/merge-patch+json; x=y", true).unwrap(), PatchKind::Merge);
        assert_eq!(patch_kind("application/strategic-merge-patch+json", false).unwrap_err().code(), 415);
    }
}
