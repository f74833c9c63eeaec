// SPDX-License-Identifier: Apache-2.0

package grpcapi

import "google.golang.org/grpc"

// RegisterService adds another service to the edge, under its bounds and with its errors' codes. Do it before Serve.
func (s *Server) RegisterService(d *grpc.ServiceDesc, impl any) { s.grpc.RegisterService(d, impl) }
