import { join } from "node:path";
import { makeAuthority, makeCertificate } from "../../../scripts/secrets/certificates.ts";

export interface Certificates {
  /** Files in PEM. */
  authority: string;
  certificate: string;
  key: string;
}

/** Makes an authority and a certificate of 127.0.0.1 in a folder. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const at = (name: string): string => join(folder, name);
  const authority = { certificate: at("authority.pem"), key: at("authority.key") };
  const made = { certificate: at("server.pem"), key: at("server.key") };
  await makeAuthority(authority.certificate, authority.key);
  await makeCertificate(authority, ["127.0.0.1", "localhost"], made);
  return { authority: authority.certificate, ...made };
}
