// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Agent

await AgentProgram.main()
