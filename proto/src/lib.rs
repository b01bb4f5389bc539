//! What crosses a wire, and nothing else.

pub mod enrol;
pub mod ids;
pub mod json;
pub mod limits;
pub mod message;
pub mod package;

/// Messages and services between agents and the coordinator, as generated from `agent.proto`.
pub mod agent {
    #![allow(
        clippy::all,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    tonic::include_proto!("botswain.agent.v1");
}

/// Messages and services between programs and the coordinator, as generated from `worker.proto`.
pub mod worker {
    #![allow(
        clippy::all,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    tonic::include_proto!("botswain.worker.v1");
}
