//! Camunda 8's extension elements: jobs, mappings, listeners and what else executes.

use super::Reading;
use crate::model::{
    Binding, CalledDecision, CalledElement, ExecutionListener, FormLink, Header, JobDefinition,
    LinkedResource, ListenerEvent, Mapping, Property, PublishMessage, Script, TaskListener,
    TaskListenerEvent, Text,
};
use crate::xml::{Fields, Ns};

impl<'t> Reading<'t> {
    /// Takes the one extension element with this name; a second one is a problem.
    pub(super) fn extension(
        &mut self,
        fields: &mut Fields<'t>,
        name: &str,
        owner: Option<&str>,
    ) -> Option<Fields<'t>> {
        let mut found = fields.extensions(name).into_iter();
        let first = found.next()?;
        if let Some(second) = found.next() {
            let message = format!("`zeebe:{name}` stands twice");
            self.problems.add(
                "duplicate-extension",
                owner.map(str::to_owned),
                second.at(),
                message,
                "keep one of them",
            );
        }
        Some(first)
    }

    /// Takes an attribute that can't be left out.
    pub(super) fn needed(
        &mut self,
        fields: &mut Fields<'t>,
        name: &str,
        owner: Option<&str>,
    ) -> String {
        fields.attribute(name).unwrap_or_else(|| {
            let message = format!("`{}` has no `{name}`", fields.name());
            self.problems.add(
                "missing-attribute",
                owner.map(str::to_owned),
                fields.at(),
                message,
                &format!("add the attribute `{name}`"),
            );
            String::new()
        })
    }

    pub(super) fn job(&mut self, fields: &mut Fields<'t>, owner: &str) -> Option<JobDefinition> {
        let mut found = self.extension(fields, "taskDefinition", Some(owner))?;
        Some(self.job_definition(&mut found, owner))
    }

    fn job_definition(&mut self, fields: &mut Fields<'t>, owner: &str) -> JobDefinition {
        let job_type = Text::parse(&self.needed(fields, "type", Some(owner)));
        JobDefinition {
            job_type,
            retries: fields.text_attribute("retries"),
        }
    }

    pub(super) fn job_priority(&mut self, fields: &mut Fields<'t>, owner: &str) -> Option<Text> {
        self.extension(fields, "jobPriorityDefinition", Some(owner))?
            .text_attribute("priority")
    }

    pub(super) fn publish(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> Option<PublishMessage> {
        let mut found = self.extension(fields, "publishMessage", Some(owner))?;
        Some(PublishMessage {
            message_id: found.text_attribute("messageId"),
            correlation_key: found.text_attribute("correlationKey"),
            time_to_live: found.text_attribute("timeToLive"),
        })
    }

    pub(super) fn script(&mut self, fields: &mut Fields<'t>, owner: &str) -> Option<Script> {
        let mut found = self.extension(fields, "script", Some(owner))?;
        let expression = Text::parse(&self.needed(&mut found, "expression", Some(owner)));
        Some(Script {
            expression,
            result_variable: self.needed(&mut found, "resultVariable", Some(owner)),
        })
    }

    pub(super) fn mappings(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> (Vec<Mapping>, Vec<Mapping>) {
        let Some(mut found) = self.extension(fields, "ioMapping", Some(owner)) else {
            return Default::default();
        };
        let inputs = found.children_of(Ns::Zeebe, "input").into_iter();
        let inputs = inputs.map(|fields| self.input(fields, owner)).collect();
        let outputs = found.children_of(Ns::Zeebe, "output").into_iter();
        (
            inputs,
            outputs.map(|fields| self.output(fields, owner)).collect(),
        )
    }

    fn input(&mut self, mut fields: Fields<'t>, owner: &str) -> Mapping {
        // Element templates leave the source out where a field stays empty; Camunda 8 sets such a variable to null.
        let source = fields
            .text_attribute("source")
            .filter(|source| !source.is_empty());
        let target = self.needed(&mut fields, "target", Some(owner));
        Mapping {
            source: source.unwrap_or_else(|| Text::Feel("null".into())),
            target,
            at: fields.at(),
        }
    }

    fn output(&mut self, mut fields: Fields<'t>, owner: &str) -> Mapping {
        let source = Text::parse(&self.needed(&mut fields, "source", Some(owner)));
        Mapping {
            source,
            target: self.needed(&mut fields, "target", Some(owner)),
            at: fields.at(),
        }
    }

    pub(super) fn headers(&mut self, fields: &mut Fields<'t>, owner: &str) -> Vec<Header> {
        let Some(mut found) = self.extension(fields, "taskHeaders", Some(owner)) else {
            return Vec::new();
        };
        self.header_list(&mut found, owner)
    }

    fn header_list(&mut self, fields: &mut Fields<'t>, owner: &str) -> Vec<Header> {
        let headers = fields
            .children_of(Ns::Zeebe, "header")
            .into_iter()
            .map(|mut header| Header {
                id: header.attribute("id"),
                key: self.needed(&mut header, "key", Some(owner)),
                value: header.attribute("value").unwrap_or_default(),
            });
        headers.collect()
    }

    pub(super) fn properties(&mut self, fields: &mut Fields<'t>, owner: &str) -> Vec<Property> {
        let Some(mut found) = self.extension(fields, "properties", Some(owner)) else {
            return Vec::new();
        };
        let properties = found.children_of(Ns::Zeebe, "property").into_iter();
        properties
            .map(|mut property| Property {
                name: self.needed(&mut property, "name", Some(owner)),
                value: property.attribute("value").unwrap_or_default(),
            })
            .collect()
    }

    pub(super) fn execution_listeners(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> Vec<ExecutionListener> {
        let Some(mut found) = self.extension(fields, "executionListeners", Some(owner)) else {
            return Vec::new();
        };
        let listeners = found
            .children_of(Ns::Zeebe, "executionListener")
            .into_iter();
        listeners
            .filter_map(|fields| self.execution_listener(fields, owner))
            .collect()
    }

    fn execution_listener(
        &mut self,
        mut fields: Fields<'t>,
        owner: &str,
    ) -> Option<ExecutionListener> {
        let at = fields.at();
        let event = self.needed(&mut fields, "eventType", Some(owner));
        let job = self.job_definition(&mut fields, owner);
        let headers = self.listener_headers(&mut fields, owner);
        let event = match event.as_str() {
            "start" => ListenerEvent::Start,
            "end" => ListenerEvent::End,
            "beforeAll" => ListenerEvent::BeforeAll,
            "cancel" => ListenerEvent::Cancel,
            other => {
                let message = format!("the event of an execution listener is `{other}`");
                self.problems.add(
                    "invalid-value",
                    Some(owner.to_owned()),
                    at,
                    message,
                    "write `start`, `end`, `beforeAll` or `cancel`",
                );
                return None;
            }
        };
        Some(ExecutionListener {
            event,
            job,
            headers,
            at,
        })
    }

    pub(super) fn task_listeners(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> Vec<TaskListener> {
        let Some(mut found) = self.extension(fields, "taskListeners", Some(owner)) else {
            return Vec::new();
        };
        let listeners = found.children_of(Ns::Zeebe, "taskListener").into_iter();
        listeners
            .filter_map(|fields| self.task_listener(fields, owner))
            .collect()
    }

    fn task_listener(&mut self, mut fields: Fields<'t>, owner: &str) -> Option<TaskListener> {
        let at = fields.at();
        let event = self.needed(&mut fields, "eventType", Some(owner));
        let job = self.job_definition(&mut fields, owner);
        let headers = self.listener_headers(&mut fields, owner);
        // The second names are what the first modelers with task listeners wrote.
        let event = match event.as_str() {
            "creating" | "create" => TaskListenerEvent::Creating,
            "assigning" | "assignment" => TaskListenerEvent::Assigning,
            "updating" | "update" => TaskListenerEvent::Updating,
            "completing" | "complete" => TaskListenerEvent::Completing,
            "canceling" | "cancel" => TaskListenerEvent::Canceling,
            other => {
                let message = format!("the event of a task listener is `{other}`");
                let remedy =
                    "write `creating`, `assigning`, `updating`, `completing` or `canceling`";
                self.problems
                    .add("invalid-value", Some(owner.to_owned()), at, message, remedy);
                return None;
            }
        };
        Some(TaskListener {
            event,
            job,
            headers,
            at,
        })
    }

    fn listener_headers(&mut self, fields: &mut Fields<'t>, owner: &str) -> Vec<Header> {
        let Some(mut found) = fields.child_of(Ns::Zeebe, "taskHeaders") else {
            return self.header_list(fields, owner);
        };
        self.header_list(&mut found, owner)
    }

    pub(super) fn linked_resources(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> Vec<LinkedResource> {
        let Some(mut found) = self.extension(fields, "linkedResources", Some(owner)) else {
            return Vec::new();
        };
        let resources = found.children_of(Ns::Zeebe, "linkedResource").into_iter();
        resources
            .map(|mut resource| LinkedResource {
                resource_id: Text::parse(&self.needed(&mut resource, "resourceId", Some(owner))),
                resource_type: resource.attribute("resourceType"),
                link_name: resource.attribute("linkName"),
                binding: self.binding(&mut resource, owner),
            })
            .collect()
    }

    pub(super) fn form(&mut self, fields: &mut Fields<'t>, owner: &str) -> Option<FormLink> {
        let mut found = self.extension(fields, "formDefinition", Some(owner))?;
        Some(FormLink {
            form_key: found.text_attribute("formKey"),
            form_id: found.text_attribute("formId"),
            external_reference: found.text_attribute("externalReference"),
            binding: self.binding(&mut found, owner),
        })
    }

    pub(super) fn called_element(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> Option<CalledElement> {
        let Some(mut found) = self.extension(fields, "calledElement", Some(owner)) else {
            return Some(CalledElement {
                process_id: fields.text_attribute("calledElement")?,
                propagate_all_child_variables: true,
                propagate_all_parent_variables: true,
                business_id: None,
                binding: Binding::Latest,
                standard: true,
            });
        };
        let expression = found.attribute("processIdExpression");
        let process_id = match found.text_attribute("processId") {
            Some(id) => id,
            None => match expression {
                Some(expression) => {
                    Text::Feel(expression.trim_start_matches('=').trim().to_owned())
                }
                None => Text::parse(&self.needed(&mut found, "processId", Some(owner))),
            },
        };
        Some(CalledElement {
            process_id,
            propagate_all_child_variables: self.flag(
                &mut found,
                "propagateAllChildVariables",
                true,
                Some(owner),
            ),
            propagate_all_parent_variables: self.flag(
                &mut found,
                "propagateAllParentVariables",
                true,
                Some(owner),
            ),
            business_id: found.text_attribute("businessId"),
            standard: false,
            binding: self.binding(&mut found, owner),
        })
    }

    pub(super) fn called_decision(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> Option<CalledDecision> {
        let mut found = self.extension(fields, "calledDecision", Some(owner))?;
        Some(CalledDecision {
            decision_id: Text::parse(&self.needed(&mut found, "decisionId", Some(owner))),
            result_variable: self.needed(&mut found, "resultVariable", Some(owner)),
            binding: self.binding(&mut found, owner),
        })
    }

    fn binding(&mut self, fields: &mut Fields<'t>, owner: &str) -> Binding {
        let tag = fields.text_attribute("versionTag");
        match (fields.attribute("bindingType").as_deref(), tag) {
            (None | Some("latest"), _) => Binding::Latest,
            (Some("deployment"), _) => Binding::Deployment,
            (Some("versionTag"), Some(tag)) => Binding::VersionTag(tag),
            (Some("versionTag"), None) => {
                let message =
                    "the binding is `versionTag`, but there is no `versionTag`".to_owned();
                self.problems.add(
                    "missing-attribute",
                    Some(owner.to_owned()),
                    fields.at(),
                    message,
                    "add the attribute `versionTag`",
                );
                Binding::Latest
            }
            (Some(other), _) => {
                let message = format!("the binding is `{other}`");
                let remedy = "write `latest`, `deployment` or `versionTag`";
                self.problems.add(
                    "invalid-value",
                    Some(owner.to_owned()),
                    fields.at(),
                    message,
                    remedy,
                );
                Binding::Latest
            }
        }
    }
}
