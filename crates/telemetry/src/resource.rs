//! Who telemetry comes from.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_sdk::Resource as SdkResource;
use uuid::Uuid;

use crate::Settings;

/// One process of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The run.
    pub run_id: Uuid,
    /// The process in it: the worker's name, `local` or `controller`.
    pub process: String,
    /// The version of this program.
    pub version: &'static str,
}

/// What every span, point and record of the process has in common.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    attributes: BTreeMap<String, String>,
    version: &'static str,
}

impl Resource {
    /// Puts together what the process is and what its variables add. What identifies the run cannot be overridden.
    pub(crate) fn new(settings: &Settings, identity: &Identity) -> Self {
        let mut attributes = BTreeMap::from([
            ("service.name".to_owned(), SERVICE.to_owned()),
            ("service.instance.id".to_owned(), identity.process.clone()),
        ]);
        attributes.extend(settings.resource.iter().map(|(key, value)| (key.clone(), value.clone())));
        attributes.extend([
            ("service.version".to_owned(), identity.version.to_owned()),
            ("telemetry.sdk.language".to_owned(), "rust".to_owned()),
            ("loadgen.run.id".to_owned(), identity.run_id.to_string()),
            ("loadgen.process".to_owned(), identity.process.clone()),
        ]);
        Self { attributes, version: identity.version }
    }

    /// For the SDK's exporter.
    pub(crate) fn sdk(&self) -> SdkResource {
        let attributes = self.attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        SdkResource::builder_empty().with_attributes(attributes).build()
    }

    /// For requests that are put together here.
    pub(crate) fn proto(&self) -> ProtoResource {
        let attributes = self
            .attributes
            .iter()
            .map(|(key, value)| opentelemetry_proto::tonic::common::v1::KeyValue {
                key: key.clone(),
                value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) }),
                ..Default::default()
            })
            .collect();
        ProtoResource { attributes, ..Default::default() }
    }

    /// What made the points and records.
    pub(crate) fn scope(&self) -> InstrumentationScope {
        InstrumentationScope {
            name: SERVICE.to_owned(),
            version: self.version.to_owned(),
            ..Default::default()
        }
    }

    /// How requests call their sender.
    pub(crate) fn user_agent(&self) -> String {
        format!("{SERVICE}/{}", self.version)
    }
}

/// The name of the service, unless the variables give another, and of the instrumentation scope.
const SERVICE: &str = "loadgen";
