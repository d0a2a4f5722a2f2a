# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What agents do in Kubernetes clusters: the same scenarios against a recorded API server and a real one."""
