// Package certs gives the webhook server its serving certificate, and the API
// server the CA to trust it by.
//
// There are three ways, each a [Source]:
//
//   - [Managed]: envgraft issues CA and certificate itself, keeps them in one
//     Secret, publishes the CA in the MutatingWebhookConfigurations and renews
//     both. Every replica runs it, the Secret's resourceVersion settles races.
//   - [Provided]: files that something else renews, cert-manager for one. The
//     webhook configurations are then its business, and not touched.
//   - [SelfSigned]: made in memory and gone with the process, for standalone.
//
// # Rights
//
// Managed needs these, and no more. The Secret is the only one that envgraft
// ever writes, so its rules belong in a Role of its namespace, never in a
// ClusterRole:
//
//	Role, in the Secret's namespace:
//	  apiGroups: [""], resources: [secrets], verbs: [create]
//	  apiGroups: [""], resources: [secrets], verbs: [get, list, watch, update],
//	    resourceNames: [<the Secret>]
//	ClusterRole:
//	  apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations],
//	    verbs: [get, list, watch, patch], resourceNames: [<the configurations>]
//
// A create cannot be limited by resourceNames, because the API server
// authorizes it before it knows the name. A list or watch can, as long as it
// selects metadata.name in its fieldSelector: every one made here does.
package certs
