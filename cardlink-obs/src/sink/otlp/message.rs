//! Signals that the SDK's exporters cannot be fed with: a message and its answer, by gRPC or HTTP, and what every message has.

use super::{
    settings::{Endpoint, OtlpError, Protocol},
    transport::{self, Headers, Http},
};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value},
    resource::v1::Resource as ResourceProto,
};
use opentelemetry_sdk::Resource;
use prost::Message;
use tonic::{Response, Status, service::interceptor::InterceptedService, transport::Channel};

/// What the clients of gRPC speak over.
pub type Service = InterceptedService<Channel, Headers>;

/// To the collector, for one signal; `C` is the client of its service by gRPC.
pub enum Client<C> {
    Grpc(Box<C>),
    Http { http: Box<Http>, to: Box<Endpoint> },
}

impl<C> Client<C> {
    /// Needs a runtime.
    pub fn new(to: &Endpoint, grpc: impl FnOnce(Service) -> C) -> Result<Self, OtlpError> {
        Ok(match to.protocol {
            Protocol::Grpc => {
                Self::Grpc(Box::new(grpc(InterceptedService::new(transport::channel(to)?, Headers::of(to)))))
            }
            Protocol::Http => Self::Http { http: Box::new(Http::new(to)?), to: Box::new(to.clone()) },
        })
    }

    /// Sends a message, by gRPC with `export`, and gives the answer to it.
    pub async fn send<Q: Message, A: Message + Default>(
        &mut self,
        request: Q,
        export: impl AsyncFnOnce(&mut C, Q) -> Result<Response<A>, Status>,
    ) -> Result<A, String> {
        match self {
            Self::Grpc(client) => {
                export(client, request).await.map(Response::into_inner).map_err(|status| transport::said(&status))
            }
            Self::Http { http, to } => http.post(to, &request).await,
        }
    }
}

pub fn resource(resource: &Resource) -> ResourceProto {
    let attributes = resource.iter().map(|(key, value)| attribute(key.as_str(), text(&value.to_string()))).collect();
    ResourceProto { attributes, ..ResourceProto::default() }
}

pub fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub fn text(text: &str) -> any_value::Value {
    any_value::Value::StringValue(text.to_owned())
}
