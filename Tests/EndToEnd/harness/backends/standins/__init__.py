# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Programs that stand in for servers which cannot be installed here; the protocol and the storage are libraries of others."""
