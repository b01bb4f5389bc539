//! Namespaces, and the prefixes by which people know them.

pub(crate) const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
pub(crate) const BPMNDI: &str = "http://www.omg.org/spec/BPMN/20100524/DI";
pub(crate) const DC: &str = "http://www.omg.org/spec/DD/20100524/DC";
pub(crate) const DI: &str = "http://www.omg.org/spec/DD/20100524/DI";
pub(crate) const ZEEBE: &str = "http://camunda.org/schema/zeebe/1.0";
pub(crate) const CAMUNDA: &str = "http://camunda.org/schema/1.0/bpmn";
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Chooses a prefix for a namespace that has none.
pub(crate) fn known_prefix(uri: &str, is_used: impl Fn(&str) -> bool) -> String {
    let usual = match uri {
        BPMN => Some("bpmn"),
        BPMNDI => Some("bpmndi"),
        DC => Some("dc"),
        DI => Some("di"),
        ZEEBE => Some("zeebe"),
        CAMUNDA => Some("camunda"),
        XSI => Some("xsi"),
        _ => None,
    };
    if let Some(usual) = usual.filter(|prefix| !is_used(prefix)) {
        return usual.to_owned();
    }
    (1u32..)
        .map(|count| format!("ns{count}"))
        .find(|prefix| !is_used(prefix))
        .unwrap_or_default()
}
