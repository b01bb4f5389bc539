//! BPMN 2.0 XML to model and back.
