//! From the words of OpenAPI v3 to those of v2.
//!
//! v2 knows no alternatives, no `null`, no keywords beside a reference but extensions, and its parameters and bodies
//! are flat. As upstream, defaults are left out, and what kubectl cannot follow (members known in part) becomes
//! "anything".

use knarr_api::{Map, Value, value};

const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

/// A path with its operations.
pub(super) fn path_item(item: Value) -> Value {
    let Value::Object(item) = item else { return item };
    let lowered = item.into_iter().map(|(key, value)| {
        let value = match key.as_str() {
            "parameters" => each(value, parameter),
            _ => operation(value),
        };
        (key, value)
    });
    Value::Object(lowered.collect())
}

fn operation(operation: Value) -> Value {
    let Value::Object(mut operation) = operation else { return operation };
    let mut parameters = Vec::new();
    if let Some(body) = operation.remove("requestBody") {
        let (media, schema) = content(&body);
        let mut parameter = value!({ "name": "body", "in": "body", "schema": schema });
        if body.get("required").is_some_and(|r| r == &Value::Bool(true)) {
            parameter.set(&["required"], true);
        }
        parameters.push(parameter);
        operation.insert("consumes", media);
    }
    if let Some(Value::Array(queries)) = operation.remove("parameters") {
        parameters.extend(queries.into_iter().map(parameter));
    }
    operation.insert("parameters", parameters);
    if let Some(Value::Object(responses)) = operation.remove("responses") {
        let mut lowered = Map::new();
        for (code, answer) in responses {
            let (media, schema) = content(&answer);
            let mut response = value!({ "description": (answer.str_at(&["description"])) });
            if !schema.is_null() {
                response.set(&["schema"], schema);
                operation.insert("produces", media);
            }
            lowered.insert(code, response);
        }
        operation.insert("responses", lowered);
    }
    operation.insert("schemes", ["https"]);
    Value::Object(operation)
}

/// The media types of a body or an answer, and the schema they share.
fn content(of: &Value) -> (Vec<String>, Value) {
    let Some(content) = of.get("content").and_then(Value::as_object) else { return (Vec::new(), Value::Null) };
    let of_first = content.iter().find_map(|(_, media)| media.get("schema")).cloned();
    (content.keys().map(str::to_owned).collect(), of_first.map_or(Value::Null, schema))
}

fn parameter(parameter: Value) -> Value {
    let Value::Object(mut parameter) = parameter else { return parameter };
    if let Some(Value::Object(schema)) = parameter.remove("schema") {
        for (key, value) in schema {
            parameter.insert(key, value);
        }
    }
    Value::Object(parameter)
}

/// A schema with all below it.
pub(super) fn schema(of: Value) -> Value {
    let Value::Object(mut keys) = of else { return of };
    let nullable = keys.remove("nullable").is_some_and(|n| n == Value::Bool(true));
    let open = keys.get(OPEN) == Some(&Value::Bool(true));
    keys.remove("default");
    // What a number or a string may stand for is called a string, the format tells the rest.
    if keys.remove("oneOf").is_some() {
        keys.insert("type", "string");
    }
    if let Some(all) = keys.remove("allOf")
        && let Some(reference) = all.list_at(&[]).first().and_then(|one| one.get("$ref"))
    {
        keys.insert("$ref", reference.clone());
    }
    if nullable || open {
        for key in ["type", "items", "properties"] {
            keys.remove(key);
        }
    }
    let lowered = keys.into_iter().map(|(key, value)| {
        let value = match key.as_str() {
            "$ref" => Value::from(definition(value.as_str().unwrap_or_default())),
            "items" | "additionalProperties" => schema(value),
            "properties" => members(value),
            _ => value,
        };
        (key, value)
    });
    Value::Object(lowered.collect())
}

fn definition(reference: &str) -> String {
    reference.replacen("#/components/schemas/", "#/definitions/", 1)
}

fn members(of: Value) -> Value {
    let Value::Object(members) = of else { return of };
    Value::Object(members.into_iter().map(|(name, member)| (name, schema(member))).collect())
}

fn each(list: Value, of: impl FnMut(Value) -> Value) -> Value {
    let Value::Array(items) = list else { return list };
    Value::Array(items.into_iter().map(of).collect())
}
