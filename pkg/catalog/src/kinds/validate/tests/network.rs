use expect_test::expect;

use super::check;

#[test]
fn services() {
    check(
        ("", "services"),
        "{metadata: {name: s}, spec: {ports: [{port: 80}]}}",
        &["spec"],
        &[
            "ports: []",
            "clusterIP: None, clusterIPs: [None], ports: []",
            "ports: [{port: 0}]",
            "ports: [{port: 80}, {port: 81}]",
            "ports: [{name: a, port: 80}, {name: a, port: 80}]",
            "ports: [{port: 80, targetPort: a--b}]",
            "ports: [{port: 80, targetPort: 70000, protocol: ICMP}]",
            "ports: [{port: 80, nodePort: 30000}]",
            "type: NodePort, ports: [{name: a, port: 80, nodePort: 30000}, {name: b, port: 81, nodePort: 30000}]",
            "type: NodePort, clusterIP: None, clusterIPs: [None]",
            "type: Magic",
            "type: ExternalName",
            "type: ExternalName, externalName: A_, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1]",
            "type: ExternalName, externalName: a.b.",
            "clusterIP: 10.0.0.1",
            "clusterIP: x, clusterIPs: [x]",
            "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 10.0.0.2]",
            "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv6]",
            "ipFamilies: [IPv4, IPv4]",
            "ipFamilyPolicy: Both",
            "selector: {a b: c}",
            "sessionAffinity: Cookie",
            "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}",
            "externalIPs: [127.0.0.1, 0.0.0.0, x]",
            "loadBalancerSourceRanges: [10.0.0.0/8, x]",
            "allocateLoadBalancerNodePorts: true, loadBalancerClass: a/b",
            "externalTrafficPolicy: Local",
            "type: LoadBalancer, healthCheckNodePort: 30000",
            "internalTrafficPolicy: Somewhere",
            "trafficDistribution: Fair",
        ],
        expect![[r#"
            ports: []
                spec.ports: Required value
            clusterIP: None, clusterIPs: [None], ports: []
            ports: [{port: 0}]
                spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive
                spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive
            ports: [{port: 80}, {port: 81}]
                spec.ports[0].name: Required value
                spec.ports[1].name: Required value
            ports: [{name: a, port: 80}, {name: a, port: 80}]
                spec.ports[1].name: Duplicate value: "a"
                spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}
            ports: [{port: 80, targetPort: a--b}]
                spec.ports[0].targetPort: Invalid value: "a--b": must not contain consecutive hyphens
            ports: [{port: 80, targetPort: 70000, protocol: ICMP}]
                spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"
                spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive
            ports: [{port: 80, nodePort: 30000}]
                spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'
            type: NodePort, ports: [{name: a, port: 80, nodePort: 30000}, {name: b, port: 81, nodePort: 30000}]
                spec.ports[1].nodePort: Duplicate value: 30000
            type: NodePort, clusterIP: None, clusterIPs: [None]
                spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services
            type: Magic
                spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"
            type: ExternalName
                spec.externalName: Required value
            type: ExternalName, externalName: A_, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1]
                spec.clusterIPs: Forbidden: may not be set for ExternalName services
                spec.externalName: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            type: ExternalName, externalName: a.b.
            clusterIP: 10.0.0.1
                spec.clusterIPs: Required value
            clusterIP: x, clusterIPs: [x]
                spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 10.0.0.2]
                spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP family
            clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv6]
                spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`
            ipFamilies: [IPv4, IPv4]
                spec.ipFamilies[1]: Duplicate value: "IPv4"
            ipFamilyPolicy: Both
                spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"
            selector: {a b: c}
                spec.selector: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            sessionAffinity: Cookie
                spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"
            sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}
                spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400
            externalIPs: [127.0.0.1, 0.0.0.0, x]
                spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)
                spec.externalIPs[1]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)
                spec.externalIPs[2]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            loadBalancerSourceRanges: [10.0.0.0/8, x]
                spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'
                spec.LoadBalancerSourceRanges[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)
            allocateLoadBalancerNodePorts: true, loadBalancerClass: a/b
                spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'
                spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'
            externalTrafficPolicy: Local
                spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services
            type: LoadBalancer, healthCheckNodePort: 30000
                spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'
            internalTrafficPolicy: Somewhere
                spec.internalTrafficPolicy: Unsupported value: "Somewhere": supported values: "Cluster", "Local"
            trafficDistribution: Fair
                spec.trafficDistribution: Unsupported value: "Fair": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"
        "#]],
    );
}

#[test]
fn endpoints() {
    check(
        ("", "endpoints"),
        "{metadata: {name: e}, subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}]}",
        &["subsets", "0"],
        &[
            "addresses: []",
            "addresses: [{ip: x}, {ip: 127.0.0.1}, {ip: 169.254.1.1}, {ip: 224.0.0.1}, {ip: 0.0.0.0}]",
            "addresses: [{ip: 10.0.0.1, hostname: A, nodeName: B}]",
            "ports: [{port: 80}, {port: 0, name: A}]",
        ],
        expect![[r#"
            addresses: []
                subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`
            addresses: [{ip: x}, {ip: 127.0.0.1}, {ip: 169.254.1.1}, {ip: 224.0.0.1}, {ip: 0.0.0.0}]
                subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
                subsets[0].addresses[1].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)
                subsets[0].addresses[2].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)
                subsets[0].addresses[3].ip: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)
                subsets[0].addresses[4].ip: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)
            addresses: [{ip: 10.0.0.1, hostname: A, nodeName: B}]
                subsets[0].addresses[0].hostname: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
                subsets[0].addresses[0].nodeName: Invalid value: "B": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            ports: [{port: 80}, {port: 0, name: A}]
                subsets[0].ports[0].name: Required value
                subsets[0].ports[1].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
                subsets[0].ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive
        "#]],
    );
    check(
        ("discovery.k8s.io", "endpointslices"),
        "{metadata: {name: e}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}], ports: [{port: 80}]}",
        &[],
        &[
            "addressType: ''",
            "addressType: IPX",
            "endpoints: [{addresses: []}]",
            "endpoints: [{addresses: ['::1', 'fd00::1', x]}]",
            "addressType: FQDN, endpoints: [{addresses: [a.b, A]}]",
            "endpoints: [{addresses: [10.0.0.1], nodeName: A, hostname: '', hints: {forZones: [{name: a}, {name: a}]}}]",
            "ports: [{port: 80}, {port: 81}]",
            "ports: [{name: A, protocol: ICMP}]",
        ],
        expect![[r#"
            addressType: ''
                addressType: Required value
            addressType: IPX
                addressType: Unsupported value: "IPX": supported values: "FQDN", "IPv4", "IPv6"
            endpoints: [{addresses: []}]
                endpoints[0].addresses: Required value: must contain at least 1 address
            endpoints: [{addresses: ['::1', 'fd00::1', x]}]
                endpoints[0].addresses[0]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)
                endpoints[0].addresses[1]: Invalid value: "fd00::1": must be an IPv4 address
                endpoints[0].addresses[2]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            addressType: FQDN, endpoints: [{addresses: [a.b, A]}]
                endpoints[0].addresses[1]: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            endpoints: [{addresses: [10.0.0.1], nodeName: A, hostname: '', hints: {forZones: [{name: a}, {name: a}]}}]
                endpoints[0].nodeName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
                endpoints[0].hostname: Invalid value: "": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
                endpoints[0].hints.forZones[1].name: Duplicate value: "a"
            ports: [{port: 80}, {port: 81}]
                ports[1].name: Duplicate value: ""
            ports: [{name: A, protocol: ICMP}]
                ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"
                ports[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        "#]],
    );
}

#[test]
fn ingresses() {
    check(
        ("networking.k8s.io", "ingresses"),
        "{metadata: {name: i}, spec: {rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}}",
        &["spec"],
        &[
            "rules: []",
            "rules: [{host: 10.0.0.1}]",
            "rules: [{host: '*.a.b'}]",
            "rules: [{host: '*a.b'}]",
            "rules: [{host: A}]",
            "rules: [{http: {paths: []}}]",
            "tls: [{hosts: [A, '*.b'], secretName: S}]",
            "ingressClassName: A",
            "defaultBackend: {}",
        ],
        expect![[r#"
            rules: []
                spec: Invalid value: null: either `defaultBackend` or `rules` must be specified
            rules: [{host: 10.0.0.1}]
                spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address
            rules: [{host: '*.a.b'}]
            rules: [{host: '*a.b'}]
                spec.rules[0].host: Invalid value: "*a.b": a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            rules: [{host: A}]
                spec.rules[0].host: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            rules: [{http: {paths: []}}]
                spec.rules[0].http.paths: Required value
            tls: [{hosts: [A, '*.b'], secretName: S}]
                spec.tls[0].hosts[0]: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
                spec.tls[0].secretName: Invalid value: "S": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            ingressClassName: A
                spec.ingressClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            defaultBackend: {}
                spec.defaultBackend: Invalid value: "": resource or service backend is required
        "#]],
    );
    check(
        ("networking.k8s.io", "ingresses"),
        "{metadata: {name: i}, spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {name: http}}}}]}}]}}",
        &["spec", "rules", "0", "http", "paths", "0"],
        &[
            "pathType: null",
            "pathType: Regex",
            "path: ''",
            "path: a",
            "path: /a//b",
            "path: /a/..",
            "path: a, pathType: ImplementationSpecific",
            "backend: {service: {name: s}}",
            "backend: {service: {name: s, port: {name: a, number: 1}}}",
            "backend: {service: {name: S, port: {number: 70000}}}",
            "backend: {service: {name: s, port: {number: 1}}, resource: {kind: a, name: b}}",
        ],
        expect![[r#"
            pathType: null
                spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified
            pathType: Regex
                spec.rules[0].http.paths[0].pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"
            path: ''
                spec.rules[0].http.paths[0].path: Invalid value: "": must be an absolute path
            path: a
                spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path
            path: /a//b
                spec.rules[0].http.paths[0].path: Invalid value: "/a//b": must not contain '//'
            path: /a/..
                spec.rules[0].http.paths[0].path: Invalid value: "/a/..": cannot end with '/..'
            path: a, pathType: ImplementationSpecific
                spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path
            backend: {service: {name: s}}
                spec.rules[0].http.paths[0].backend: Required value: port name or number is required
            backend: {service: {name: s, port: {name: a, number: 1}}}
                spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both port name & port number
            backend: {service: {name: S, port: {number: 70000}}}
                spec.rules[0].http.paths[0].backend.service.name: Invalid value: "S": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
                spec.rules[0].http.paths[0].backend.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive
            backend: {service: {name: s, port: {number: 1}}, resource: {kind: a, name: b}}
                spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both resource and service backends
        "#]],
    );
    check(
        ("networking.k8s.io", "ingressclasses"),
        "{metadata: {name: i}, spec: {controller: a.b/c}}",
        &["spec"],
        &[
            "controller: ''",
            "controller: abc",
            "parameters: {kind: K, name: n1, scope: Namespace}",
            "parameters: {kind: K, name: n1, namespace: a}",
            "parameters: {kind: K, name: n1, scope: Planet}",
        ],
        expect![[r#"
            controller: ''
                spec.controller: Required value
            controller: abc
                spec.controller: Invalid value: "abc": must be a domain-prefixed path (such as "acme.io/foo")
            parameters: {kind: K, name: n1, scope: Namespace}
                spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'
            parameters: {kind: K, name: n1, namespace: a}
                spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'
            parameters: {kind: K, name: n1, scope: Planet}
                spec.parameters.scope: Unsupported value: "Planet": supported values: "Cluster", "Namespace"
        "#]],
    );
}

#[test]
fn policies() {
    check(
        ("networking.k8s.io", "networkpolicies"),
        "{metadata: {name: p}, spec: {podSelector: {}}}",
        &["spec"],
        &[
            "podSelector: {matchLabels: {a b: c}}",
            "ingress: [{from: [{}]}]",
            "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 11.0.0.0/8, 10.0.0.0/8]}, podSelector: {}}]}]",
            "ingress: [{from: [{ipBlock: {cidr: x}}]}]",
            "ingress: [{ports: [{port: 0}, {port: http, endPort: 5}, {endPort: 5}, {port: 10, endPort: 5}, {port: 1, endPort: 2}]}]",
            "egress: [{ports: [{port: a--b, protocol: ICMP}]}]",
            "policyTypes: [Ingress, Sideways]",
        ],
        expect![[r#"
            podSelector: {matchLabels: {a b: c}}
                spec.podSelector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            ingress: [{from: [{}]}]
                spec.ingress[0].from[0]: Required value: must specify a peer
            ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 11.0.0.0/8, 10.0.0.0/8]}, podSelector: {}}]}]
                spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "11.0.0.0/8": must be a strict subset of `cidr`
                spec.ingress[0].from[0].ipBlock.except[2]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`
                spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer
            ingress: [{from: [{ipBlock: {cidr: x}}]}]
                spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)
            ingress: [{ports: [{port: 0}, {port: http, endPort: 5}, {endPort: 5}, {port: 10, endPort: 5}, {port: 1, endPort: 2}]}]
                spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive
                spec.ingress[0].ports[1].endPort: Invalid value: 5: may not be specified when `port` is non-numeric
                spec.ingress[0].ports[2].endPort: Invalid value: 5: may not be specified when `port` is not specified
                spec.ingress[0].ports[3].endPort: Invalid value: 10: must be greater than or equal to `port`
            egress: [{ports: [{port: a--b, protocol: ICMP}]}]
                spec.egress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"
                spec.egress[0].ports[0].port: Invalid value: "a--b": must not contain consecutive hyphens
            policyTypes: [Ingress, Sideways]
                spec.policyTypes[1]: Unsupported value: "Sideways": supported values: "Egress", "Ingress"
        "#]],
    );
}
