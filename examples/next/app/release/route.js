import { connection } from 'next/server';

export async function GET() {
  await connection();
  return new Response(`release ${process.env.VERSION}\n`);
}
