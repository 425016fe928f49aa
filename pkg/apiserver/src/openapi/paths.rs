//! `paths`: the operations of a resource.
//!
//! Clients read three things from them: which kind lives under a path, whether `fieldValidation` and `dryRun` are
//! understood, and the query parameters a verb takes.

use knarr_api::{Map, Value, value};
use knarr_catalog::{Resource, Subresource, Verbs};

use super::components::{Components, gvk};

const MEDIA: [&str; 3] = ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"];
const STREAMS: [&str; 2] = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

const LIST: [(&str, &str); 11] = [
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
    ("pretty", "string"),
];
const WRITE: [(&str, &str); 4] =
    [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("pretty", "string")];
const FORCE: [(&str, &str); 1] = [("force", "boolean")];
const DELETE: [(&str, &str); 5] = [
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
    ("pretty", "string"),
];
const GET: [(&str, &str); 1] = [("pretty", "string")];

/// What operations of one path have in common.
struct Context {
    tag: String,
    /// `CoreV1`, `AppsV1`: the middle of operation ids.
    prefix: String,
    kind: Value,
    name: String,
    object: Value,
    list: Value,
    status: Value,
    options: Value,
    patch: Value,
}

/// Adds the paths of a resource and the types they speak of.
pub(super) fn add(paths: &mut Value, components: &mut Components<'_>, group: &str, version: &str, resource: &Resource) {
    let Some(face) = resource.faces.iter().find(|f| f.group == group && f.version == version) else { return };
    let (object, list) = components.kind(&face.schema, group, version, &resource.kind);
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let short = if group.is_empty() { "core" } else { group.strip_suffix(".k8s.io").unwrap_or(group) };
    let mut context = Context {
        tag: format!("{}_{version}", short.replace(['.', '-'], "")),
        prefix: format!("{}{}", camel(short), camel(version)),
        kind: gvk(group, version, &resource.kind),
        name: format!("{}{}", if resource.namespaced { "Namespaced" } else { "" }, resource.kind),
        object,
        list,
        status: components.named("io.k8s.apimachinery.pkg.apis.meta.v1.Status"),
        options: components.named("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"),
        patch: components.named("io.k8s.apimachinery.pkg.apis.meta.v1.Patch"),
    };
    let collection = format!("{root}{scope}/{}", resource.plural);
    let one = format!("{collection}/{{name}}");
    let verbs = resource.verbs;
    if resource.namespaced && verbs.has(Verbs::LIST) {
        let mut all = Map::new();
        all.insert("get", context.list(&format!("{}ForAllNamespaces", resource.kind)));
        paths.set(&[&format!("{root}/{}", resource.plural)], all);
    }
    let mut item = Map::new();
    if verbs.has(Verbs::LIST) {
        item.insert("get", context.list(&context.name));
    }
    if verbs.has(Verbs::CREATE) {
        item.insert("post", context.write("post", "create", ""));
    }
    if verbs.has(Verbs::DELETE_COLLECTION) {
        item.insert("delete", context.delete("deletecollection", "Collection"));
    }
    place(paths, &collection, resource.namespaced, false, item);
    let item = context.item(verbs, "");
    place(paths, &one, resource.namespaced, true, item);
    for sub in &resource.subresources {
        subresource(paths, components, &mut context, resource, sub, &one);
    }
}

fn subresource(
    paths: &mut Value,
    components: &mut Components<'_>,
    context: &mut Context,
    resource: &Resource,
    sub: &Subresource,
    one: &str,
) {
    let kept = (context.object.clone(), context.kind.clone());
    if !sub.kind.is_empty() {
        context.kind = gvk(&sub.group, &sub.version, &sub.kind);
        if let Some(schema) = knarr_catalog::kind(&sub.group, &sub.version, &sub.kind) {
            context.object = components.document(&schema, &sub.group, &sub.version, &sub.kind);
        }
    }
    let mut item = context.item(sub.verbs, &camel(&sub.name));
    if sub.verbs.has(Verbs::CREATE) {
        item.insert("post", context.write("post", "create", &camel(&sub.name)));
    }
    place(paths, &format!("{one}/{}", sub.name), resource.namespaced, true, item);
    (context.object, context.kind) = kept;
}

/// Puts a path item down with the parameters of its path; a path without operations is none.
fn place(paths: &mut Value, path: &str, namespaced: bool, named: bool, mut item: Map) {
    if item.is_empty() {
        return;
    }
    let segment = |name: &str| value!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "uniqueItems": true } });
    let mut parameters = Vec::new();
    if named {
        parameters.push(segment("name"));
    }
    if namespaced {
        parameters.push(segment("namespace"));
    }
    if !parameters.is_empty() {
        item.insert("parameters", parameters);
    }
    paths.set(&[path], item);
}

impl Context {
    /// The operations on one object, or on its subresource.
    fn item(&self, verbs: Verbs, suffix: &str) -> Map {
        let mut item = Map::new();
        if verbs.has(Verbs::GET) {
            let mut get = self.operation("get", "read", suffix, &[&GET]);
            self.answers(&mut get, &["200"], &self.object, &MEDIA);
            item.insert("get", get);
        }
        if verbs.has(Verbs::UPDATE) {
            item.insert("put", self.write("put", "replace", suffix));
        }
        if verbs.has(Verbs::PATCH) {
            let mut patch = self.operation("patch", "patch", suffix, &[&WRITE, &FORCE]);
            patch.set(&["requestBody"], value!({ "required": true, "content": (content(&PATCHES, &self.patch)) }));
            self.answers(&mut patch, &["200", "201"], &self.object, &MEDIA);
            item.insert("patch", patch);
        }
        if verbs.has(Verbs::DELETE) {
            item.insert("delete", self.delete("delete", ""));
        }
        item
    }

    fn list(&self, name: &str) -> Value {
        let mut list = self.named_operation("list", "list", name, &[&LIST]);
        let media: Vec<&str> = MEDIA.into_iter().chain(STREAMS).collect();
        self.answers(&mut list, &["200"], &self.list, &media);
        list
    }

    fn write(&self, action: &str, word: &str, suffix: &str) -> Value {
        let mut write = self.operation(action, word, suffix, &[&WRITE]);
        write.set(&["requestBody"], value!({ "required": true, "content": (content(&["*/*"], &self.object)) }));
        let codes: &[&str] = if action == "post" { &["200", "201", "202"] } else { &["200", "201"] };
        self.answers(&mut write, codes, &self.object, &MEDIA);
        write
    }

    fn delete(&self, action: &str, infix: &str) -> Value {
        let name = format!("{infix}{}", self.name);
        let parameters: &[&[(&str, &str)]] = if infix.is_empty() { &[&DELETE] } else { &[&DELETE, &LIST[1..8]] };
        let mut delete = self.named_operation(action, "delete", &name, parameters);
        delete.set(&["requestBody"], value!({ "content": (content(&["*/*"], &self.options)) }));
        self.answers(&mut delete, &["200"], &self.status, &MEDIA);
        delete
    }

    fn operation(&self, action: &str, word: &str, suffix: &str, parameters: &[&[(&str, &str)]]) -> Value {
        self.named_operation(action, word, &format!("{}{suffix}", self.name), parameters)
    }

    fn named_operation(&self, action: &str, word: &str, name: &str, parameters: &[&[(&str, &str)]]) -> Value {
        let parameter = |(name, kind): &(&str, &str)| value!({ "name": (*name), "in": "query", "schema": { "type": (*kind), "uniqueItems": true } });
        let parameters: Vec<Value> = parameters.iter().copied().flatten().map(parameter).collect();
        value!({
            "tags": [(self.tag.clone())],
            "operationId": (format!("{word}{}{name}", self.prefix)),
            "parameters": parameters,
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": (self.kind.clone()),
        })
    }

    fn answers(&self, operation: &mut Value, codes: &[&str], schema: &Value, media: &[&str]) {
        let mut responses = Map::new();
        for code in codes {
            let description = match *code {
                "200" => "OK",
                "201" => "Created",
                _ => "Accepted",
            };
            responses.insert(*code, value!({ "description": description, "content": (content(media, schema)) }));
        }
        responses.insert("401", value!({ "description": "Unauthorized" }));
        operation.set(&["responses"], responses);
    }
}

fn content(media: &[&str], schema: &Value) -> Map {
    media.iter().map(|m| (*m, value!({ "schema": (schema.clone()) }))).collect()
}

/// `rbac.authorization` → `RbacAuthorization`
fn camel(text: &str) -> String {
    text.split(['.', '-'])
        .flat_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars)
        })
        .collect()
}
